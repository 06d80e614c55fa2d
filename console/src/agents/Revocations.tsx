import { Content } from "@patternfly/react-core";
import { Table, Tbody, Td, Th, Thead, Tr } from "@patternfly/react-table";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { call, tenantPath } from "../api/client";
import { revocations, usePermission } from "../api/queries";
import type { Revocation } from "../api/types";
import { Act } from "../parts/Act";
import { Answer } from "../parts/Answer";
import { Ask } from "../parts/Ask";
import { Breakable } from "../parts/Breakable";
import { Status } from "../parts/Status";
import { Ago } from "../parts/Time";

/** Revocations lists who is refused, how far that is, and whether they still try. */
export function Revocations({ slug }: { slug: string }) {
  const answer = useQuery(revocations(slug));
  const may = usePermission("revocations.lift", slug);
  const queries = useQueryClient();
  const [lifting, setLifting] = useState<Revocation>();
  const lift = async () => {
    await call("DELETE", tenantPath(slug, "revocations", lifting!.name));
    await queries.invalidateQueries({ queryKey: ["revocations", slug] });
  };
  return (
    <>
      <Answer of={answer}>
        {({ revocations: all }) => (all.length === 0 ? <Content component="p">Nobody is revoked. A stolen or retired host is taken out with Revoke, above.</Content> : (
          <Table aria-label="Revoked agents" variant="compact">
            <Thead><Tr><Th width={15}>Agent</Th><Th>Step</Th><Th width={35}>What was seen</Th><Th>Why</Th><Th>Refused</Th><Th screenReaderText="Actions" /></Tr></Thead>
            <Tbody>
              {all.map((each) => (
                <Tr key={each.name}>
                  <Td dataLabel="Agent"><div className="message named"><Breakable text={each.agentName} /><div className="quiet">{each.agentID}</div></div></Td>
                  <Td dataLabel="Step"><Status state={each.step ?? "not begun"} />{!each.ready && each.reason && <div className="quiet">{each.reason}</div>}</Td>
                  <Td dataLabel="What was seen" modifier="breakWord">{each.evidence.length > 0 ? <ul>{each.evidence.map((line) => <li key={line}>{line}</li>)}</ul> : each.message}</Td>
                  <Td dataLabel="Why"><div className="message">{each.why}<div className="quiet">{each.by && <Breakable text={each.by} />} <Ago at={each.created} /></div></div></Td>
                  <Td dataLabel="Refused">{each.refused}{each.lastTry && <div className="quiet">last <Ago at={each.lastTry} /></div>}</Td>
                  <Td dataLabel="Actions"><Act may={may} variant="link" isInline onClick={() => setLifting(each)}>Lift</Act></Td>
                </Tr>
              ))}
            </Tbody>
          </Table>
        ))}
      </Answer>
      {lifting && (
        <Ask title={`Let ${lifting.agentName} in again?`} verb="Lift" close={() => setLifting(undefined)} act={lift}>
          <Content component="p">The host enrolls by itself within a minute, if it still tries and its secret is still good. It gets a new id and a new key.</Content>
        </Ask>
      )}
    </>
  );
}
