import { Table, Tbody, Td, Th, Thead, Tr, type ThProps } from "@patternfly/react-table";
import { Link } from "@tanstack/react-router";
import type { TenantRow } from "../api/types";
import { Breakable } from "../parts/Breakable";
import { Status } from "../parts/Status";
import { Ago, Until } from "../parts/Time";
import { apart } from "../parts/words";
import { wide } from "../parts/wide";
import type { Column } from "./sort";

const columns: { by: Column; title: string; width?: ThProps["width"]; visibility?: ThProps["visibility"] }[] = [
  { by: "slug", title: "Tenant", width: 20 }, { by: "state", title: "State" }, { by: "hostname", title: "Way in", width: 25 }, { by: "region", title: "Region", visibility: wide },
  { by: "agents", title: "Agents" }, { by: "certificate", title: "Certificate", visibility: wide }, { by: "created", title: "Age", visibility: wide },
];

interface Rows { rows: TenantRow[]; by: Column; down: boolean; sort: (by: Column, down: boolean) => void }

export function TenantTable({ rows, by, down, sort }: Rows) {
  const sortable = (columnIndex: number): ThProps["sort"] => ({
    columnIndex,
    sortBy: { index: columns.findIndex((column) => column.by === by), direction: down ? "desc" : "asc" },
    onSort: (_, index, direction) => sort(columns[index]!.by, direction === "desc"),
  });
  return (
    <Table aria-label="Tenants" variant="compact">
      <Thead>
        <Tr>{columns.map(({ by, title, width, visibility }, i) => <Th key={by} sort={sortable(i)} width={width} visibility={visibility}>{title}</Th>)}</Tr>
      </Thead>
      <Tbody>
        {rows.map((row) => (
          <Tr key={row.slug}>
            <Td dataLabel="Tenant"><Link to="/tenants/$slug/$tab" params={{ slug: row.slug, tab: "path" }}>{row.slug}</Link>{row.displayName && <div className="quiet message clamped">{row.displayName}</div>}</Td>
            <Td dataLabel="State"><Status state={row.state} />{row.state !== "ready" && row.reason && <div className="quiet">{apart(row.reason)}</div>}</Td>
            <Td dataLabel="Way in"><div className="message named">{row.hostname ? <Breakable text={row.hostname} /> : "–"}</div><div className="quiet">{row.address ?? "no address"}{row.ports.length > 0 && ", ports " + row.ports.map((port) => port.port).join(", ")}</div></Td>
            <Td dataLabel="Region" visibility={wide}>{row.region ?? "–"}<div className="quiet">{row.mode}</div></Td>
            <Td dataLabel="Agents">{row.agents ? <div>{row.agents.active} active<div className="quiet">of {row.agents.total}</div></div> : "–"}</Td>
            <Td dataLabel="Certificate" visibility={wide}>{row.certificateEnds ? <div>ends <Until at={row.certificateEnds} /></div> : "–"}</Td>
            <Td dataLabel="Age" visibility={wide}><Ago at={row.created} /></Td>
          </Tr>
        ))}
      </Tbody>
    </Table>
  );
}
