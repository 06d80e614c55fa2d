import { EmptyState, EmptyStateBody } from "@patternfly/react-core";
import { Table, Tbody, Td, Th, Thead, Tr } from "@patternfly/react-table";
import { useQuery } from "@tanstack/react-query";
import { events } from "../api/queries";
import { Answer } from "../parts/Answer";
import { Status } from "../parts/Status";
import { Linked } from "../parts/Linked";
import { Ago } from "../parts/Time";

/** EventsTab shows what happened, with who revealed, revoked and asked for what. */
export function EventsTab({ slug }: { slug: string }) {
  const answer = useQuery(events(slug));
  return (
    <Answer of={answer}>
      {({ events: all }) =>
        all.length === 0 ? <EmptyState titleText="No events" headingLevel="h2" variant="sm"><EmptyStateBody>Kubernetes forgets them after an hour, unless they are collected.</EmptyStateBody></EmptyState> : (
          <Table aria-label="Events" variant="compact">
            <Thead><Tr><Th>When</Th><Th>Type</Th><Th>Reason</Th><Th width={50}>What</Th><Th>Times</Th></Tr></Thead>
            <Tbody>
              {all.map((event) => (
                <Tr key={event.at + event.reason + event.note}>
                  <Td dataLabel="When" modifier="nowrap"><Ago at={event.at} /></Td>
                  <Td dataLabel="Type"><Status state={event.type} /></Td>
                  <Td dataLabel="Reason">{event.reason}</Td>
                  <Td dataLabel="What" ><Linked text={event.note} /></Td>
                  <Td dataLabel="Times">{event.count}</Td>
                </Tr>
              ))}
            </Tbody>
          </Table>
        )
      }
    </Answer>
  );
}
