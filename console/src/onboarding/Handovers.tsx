// Links that open the kit once: made for one person, watched, taken back.
import { Alert, Button, Content, FormGroup, FormSelect, FormSelectOption } from "@patternfly/react-core";
import { Table, Tbody, Td, Th, Thead, Tr } from "@patternfly/react-table";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { call, tenantPath } from "../api/client";
import { handovers, usePermission } from "../api/queries";
import type { Handover, Link } from "../api/types";
import { Act } from "../parts/Act";
import { Answer } from "../parts/Answer";
import { Ask } from "../parts/Ask";
import { Breakable } from "../parts/Breakable";
import { Copy } from "../parts/Copy";
import { Status } from "../parts/Status";
import { Ago, Until } from "../parts/Time";

export function Handovers({ slug }: { slug: string }) {
  const answer = useQuery(handovers(slug));
  const may = usePermission("handovers.make", slug);
  const [asking, setAsking] = useState(false);
  const [link, setLink] = useState<Link>();
  return (
    <Answer of={answer}>
      {({ url, handovers: all }) => (
        <>
          {url ? <div className="row"><Act may={may} variant="secondary" onClick={() => setAsking(true)}>Make a one-time link</Act> It opens this kit once, with the secret, for one person.</div> : (
            <Content component="p">Links cannot be made here: the console was not told where they lead (<code>--handover-url</code>).</Content>
          )}
          {link && <Fresh link={link} close={() => setLink(undefined)} />}
          {all.length > 0 && <Made slug={slug} all={all} />}
          {asking && <Make slug={slug} close={() => setAsking(false)} done={setLink} />}
        </>
      )}
    </Answer>
  );
}

function Fresh({ link, close }: { link: Link; close: () => void }) {
  return (
    <Alert isInline variant="success" component="p" title="Send this to one person. It is shown once." className="gap-below" actionLinks={<Button variant="link" isInline onClick={close}>I have it</Button>}>
      {link.warning && <p>{link.warning}</p>}
      <Copy text={link.url} name="link" />
    </Alert>
  );
}

function Make({ slug, close, done }: { slug: string; close: () => void; done: (link: Link) => void }) {
  const queries = useQueryClient();
  const [expires, setExpires] = useState("24h");
  const act = async (why: string) => {
    done(await call<Link>("POST", tenantPath(slug, "handovers"), { why, expires }));
    await queries.invalidateQueries({ queryKey: ["handovers", slug] });
  };
  return (
    <Ask title="Make a one-time link" verb="Make link" why="such as: first agents, ticket 4711" close={close} act={act}>
      <Content component="p">It opens the kit once, with the enrollment secret. Opening it is the reveal of the secret, and is written down.</Content>
      <FormGroup label="It expires after" fieldId="expires">
        <FormSelect id="expires" value={expires} onChange={(_, value) => setExpires(value)}>
          <FormSelectOption value="1h" label="1 hour" /><FormSelectOption value="24h" label="24 hours" /><FormSelectOption value="72h" label="3 days" />
        </FormSelect>
      </FormGroup>
    </Ask>
  );
}

function Made({ slug, all }: { slug: string; all: Handover[] }) {
  const queries = useQueryClient();
  const may = usePermission("handovers.revoke", slug);
  const [ending, setEnding] = useState<string>();
  const end = async (why: string) => {
    await call("DELETE", tenantPath(slug, "handovers", ending!), { why });
    await queries.invalidateQueries({ queryKey: ["handovers", slug] });
  };
  return (
    <>
      <Table aria-label="Links" variant="compact">
        <Thead><Tr><Th>State</Th><Th>Made</Th><Th>Why</Th><Th>Expires</Th><Th>Opened</Th><Th screenReaderText="Actions" /></Tr></Thead>
        <Tbody>
          {all.map((each) => (
            <Tr key={each.name}>
              <Td dataLabel="State"><Status state={each.state} /></Td>
              <Td dataLabel="Made"><div className="message"><Ago at={each.created} /> by <Breakable text={each.createdBy} /></div></Td>
              <Td dataLabel="Why"><div className="message">{each.why}</div></Td>
              <Td dataLabel="Expires"><Until at={each.expires} /></Td>
              <Td dataLabel="Opened">{each.opened ? <div><Ago at={each.opened} />{each.from && " from " + each.from}</div> : "–"}</Td>
              <Td dataLabel="Actions">{each.state === "waiting" && <Act may={may} variant="link" isInline isDanger onClick={() => setEnding(each.name)}>Take back</Act>}</Td>
            </Tr>
          ))}
        </Tbody>
      </Table>
      {ending && <Ask title="Take the link back?" verb="Take back" danger why="such as: sent to the wrong person" close={() => setEnding(undefined)} act={end} />}
    </>
  );
}
