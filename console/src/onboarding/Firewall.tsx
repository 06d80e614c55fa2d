import { Table, Tbody, Td, Th, Thead, Tr } from "@patternfly/react-table";
import type { Sheet } from "../api/types";

export function Firewall({ sheet }: { sheet: Sheet }) {
  return (
    <>
      <Table aria-label="Firewall" variant="compact">
        <Thead><Tr><Th modifier="fitContent">Direction</Th><Th modifier="fitContent">Destination</Th><Th>Addresses</Th><Th>Port</Th><Th>Purpose</Th></Tr></Thead>
        <Tbody>
          {sheet.firewall.rows.map((row) => (
            <Tr key={row.destination + row.port}>
              <Td dataLabel="Direction" modifier="fitContent">{row.direction}, {row.protocol}</Td><Td dataLabel="Destination" modifier="fitContent">{row.destination}</Td>
              <Td dataLabel="Addresses">{row.addresses?.join(", ") ?? "–"}</Td><Td dataLabel="Port">{row.port}</Td><Td dataLabel="Purpose">{row.purpose}</Td>
            </Tr>
          ))}
        </Tbody>
      </Table>
      <ul className="remarks">{sheet.firewall.remarks.map((remark) => <li key={remark} className="quiet">{remark}</li>)}</ul>
    </>
  );
}
