// Named enrollment secrets, for a site or one wave of a roll-out.
import { Card, CardBody, CardTitle, Content, FormGroup, FormHelperText, HelperText, HelperTextItem, TextInput } from "@patternfly/react-core";
import { Table, Tbody, Td, Th, Thead, Tr } from "@patternfly/react-table";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { call, tenantPath } from "../api/client";
import { tokens, usePermission } from "../api/queries";
import type { Revealed, Token } from "../api/types";
import { Act } from "../parts/Act";
import { Answer } from "../parts/Answer";
import { Ask } from "../parts/Ask";
import { Breakable } from "../parts/Breakable";
import { Status } from "../parts/Status";
import { Ago, Until } from "../parts/Time";
import { wide } from "../parts/wide";
import { Shown } from "./RevealCard";
import { type TokenDraft, blank, tokenRequest } from "./token";

type Deed = { what: "reveal" | "revoke" | "delete"; name: string };

export function TokensCard({ slug }: { slug: string }) {
  const answer = useQuery(tokens(slug));
  const make = usePermission("tokens.make", slug);
  const [making, setMaking] = useState(false);
  const [deed, setDeed] = useState<Deed>();
  const [shown, setShown] = useState<Revealed>();
  return (
    <Card>
      <CardTitle component="h2">Tokens</CardTitle>
      <CardBody>
        {shown && <Shown revealed={shown} hide={() => setShown(undefined)} />}
        <Answer of={answer}>
          {({ tokens: all }) => (all.length === 0 ? <Content component="p">None. A token is an enrollment secret with an end, a number of uses, a group.</Content> : <Rows slug={slug} all={all} act={setDeed} />)}
        </Answer>
        <div className="gap-above"><Act may={make} variant="secondary" onClick={() => setMaking(true)}>New token</Act></div>
        {making && <Make slug={slug} close={() => setMaking(false)} />}
        {deed && <Do slug={slug} deed={deed} close={() => setDeed(undefined)} shown={setShown} />}
      </CardBody>
    </Card>
  );
}

function Rows({ slug, all, act }: { slug: string; all: Token[]; act: (deed: Deed) => void }) {
  const reveal = usePermission("tokens.reveal", slug);
  const revoke = usePermission("tokens.revoke", slug);
  const remove = usePermission("tokens.delete", slug);
  return (
    <Table aria-label="Tokens" variant="compact">
      <Thead><Tr><Th>Token</Th><Th>State</Th><Th>Uses</Th><Th>Expires</Th><Th width={30}>Demands</Th><Th visibility={wide}>Last used</Th><Th screenReaderText="Actions" /></Tr></Thead>
      <Tbody>
        {all.map((token) => {
          const counts = token.state === "Active" || token.state === "Early";
          return (
            <Tr key={token.name}>
              <Td dataLabel="Token"><div className="message named"><Breakable text={token.name} /></div></Td>
              <Td dataLabel="State"><Status state={token.state} /></Td>
              <Td dataLabel="Uses">{token.maxUses > 0 ? `${token.uses} of ${token.maxUses}` : token.uses}</Td>
              <Td dataLabel="Expires">{token.expires ? <Until at={token.expires} /> : "never"}</Td>
              <Td dataLabel="Demands">{[token.names && "names " + token.names, token.sources.length > 0 && "from " + token.sources.join(", "), token.group && "group " + token.group].filter(Boolean).join("; ") || "–"}</Td>
              <Td dataLabel="Last used" visibility={wide}><Ago at={token.lastUse} /></Td>
              <Td dataLabel="Actions"><div className="acts">
                {counts && <><Act may={reveal} variant="link" isInline onClick={() => act({ what: "reveal", name: token.name })}>Reveal</Act>
                  <Act may={revoke} variant="link" isInline isDanger onClick={() => act({ what: "revoke", name: token.name })}>Revoke</Act></>}
                <Act may={remove} variant="link" isInline isDanger onClick={() => act({ what: "delete", name: token.name })}>Delete</Act>
              </div></Td>
            </Tr>
          );
        })}
      </Tbody>
    </Table>
  );
}

function Do({ slug, deed, close, shown }: { slug: string; deed: Deed; close: () => void; shown: (revealed: Revealed) => void }) {
  const queries = useQueryClient();
  const { what, name } = deed;
  const act = async (why: string) => {
    if (what === "reveal") shown(await call<Revealed>("POST", tenantPath(slug, "secret", "reveal"), { why, token: name }));
    else if (what === "revoke") await call("POST", tenantPath(slug, "tokens", name, "revoke"));
    else await call("DELETE", tenantPath(slug, "tokens", name));
    await queries.invalidateQueries({ queryKey: ["tokens", slug] });
  };
  if (what === "reveal") return <Ask title={`Reveal the secret of token ${name}?`} verb="Reveal" why="such as: roll-out Berlin, ticket 4711" close={close} act={act}><Content component="p">It is shown once, to you. Your name and the reason are written down.</Content></Ask>;
  return (
    <Ask title={what === "revoke" ? `End token ${name}?` : `End and forget token ${name}?`} verb={what === "revoke" ? "Revoke" : "Delete"} danger close={close} act={act}>
      <Content component="p">Nobody enrolls with it any more. Agents that came in with it stay.</Content>
    </Ask>
  );
}

function Make({ slug, close }: { slug: string; close: () => void }) {
  const queries = useQueryClient();
  const [draft, setDraft] = useState<TokenDraft>(blank);
  const act = async () => {
    await call("POST", tenantPath(slug, "tokens"), tokenRequest(draft));
    await queries.invalidateQueries({ queryKey: ["tokens", slug] });
  };
  const field = (key: keyof TokenDraft, label: string, hint: string) => (
    <FormGroup label={label} fieldId={"token-" + key} isRequired={key === "name"}>
      <TextInput id={"token-" + key} value={draft[key]} onChange={(_, value) => setDraft({ ...draft, [key]: value })} aria-describedby={`token-${key}-hint`} />
      <FormHelperText><HelperText id={`token-${key}-hint`}><HelperTextItem>{hint}</HelperTextItem></HelperText></FormHelperText>
    </FormGroup>
  );
  return (
    <Ask title="New token" verb="Make token" first="token-name" close={close} act={act} ready={draft.name.trim() !== "" && /^\d*$/.test(draft.maxUses)}>
      {field("name", "Name", "such as berlin")}
      {field("expires", "Expires", "a time from now such as 72h, or a date; empty: never")}
      {field("maxUses", "Number of agents", "empty: any number")}
      {field("group", "Group", "of the manager's; the agents get it")}
      {field("names", "Names", "a pattern such as berlin-*")}
      {field("sources", "Networks", "such as 203.0.113.0/24, with commas between")}
    </Ask>
  );
}
