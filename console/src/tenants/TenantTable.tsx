import { Table, Tbody, Td, Th, Thead, Tr, type ThProps } from "@patternfly/react-table";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import type { TenantRow } from "../api/types";
import { Status } from "../parts/Status";
import { Ago, Until } from "../parts/Time";
import { type Column, ordered } from "./sort";

const columns: [Column, string][] = [
  ["slug", "Tenant"], ["state", "State"], ["hostname", "Way in"], ["region", "Region, mode"], ["agents", "Agents"], ["certificate", "Certificate ends"], ["created", "Age"],
];

export function TenantTable({ rows }: { rows: TenantRow[] }) {
  const [by, setBy] = useState<Column>("state");
  const [down, setDown] = useState(false);
  const sort = (columnIndex: number): ThProps["sort"] => ({
    columnIndex,
    sortBy: { index: columns.findIndex(([column]) => column === by), direction: down ? "desc" : "asc" },
    onSort: (_, index, direction) => {
      setBy(columns[index]![0]);
      setDown(direction === "desc");
    },
  });
  return (
    <Table aria-label="Tenants" variant="compact">
      <Thead>
        <Tr>{columns.map(([column, title], i) => <Th key={column} sort={sort(i)} modifier="wrap">{title}</Th>)}</Tr>
      </Thead>
      <Tbody>
        {ordered(rows, by, down).map((row) => (
          <Tr key={row.slug}>
            <Td dataLabel="Tenant"><Link to="/tenants/$slug/$tab" params={{ slug: row.slug, tab: "path" }}>{row.slug}</Link>{row.displayName && <div className="quiet">{row.displayName}</div>}</Td>
            <Td dataLabel="State"><Status state={row.state} />{row.state !== "ready" && row.reason && <div className="quiet">{row.reason}</div>}</Td>
            <Td dataLabel="Way in" modifier="breakWord">{row.hostname ?? "–"}<div className="quiet">{row.address ?? "no address"}{row.ports.length > 0 && ", ports " + row.ports.map((port) => port.port).join(", ")}</div></Td>
            <Td dataLabel="Region, mode">{row.region ?? "–"}<div className="quiet">{row.mode}</div></Td>
            <Td dataLabel="Agents">{row.agents ? `${row.agents.active} of ${row.agents.total} active` : "–"}</Td>
            <Td dataLabel="Certificate ends"><Until at={row.certificateEnds} /></Td>
            <Td dataLabel="Age"><Ago at={row.created} /></Td>
          </Tr>
        ))}
      </Tbody>
    </Table>
  );
}
