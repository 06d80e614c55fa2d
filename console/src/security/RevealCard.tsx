// The enrollment secret, or a token's: masked, shown once for a reason, and then who saw it.
import { Alert, Button, Content } from "@patternfly/react-core";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { call, tenantPath } from "../api/client";
import { secret, usePermission } from "../api/queries";
import type { Revealed } from "../api/types";
import { Act } from "../parts/Act";
import { Answer } from "../parts/Answer";
import { Ask } from "../parts/Ask";
import { Copy } from "../parts/Copy";
import { Ago } from "../parts/Time";

export function RevealCard({ slug }: { slug: string }) {
  const answer = useQuery(secret(slug));
  const queries = useQueryClient();
  const may = usePermission("secret.reveal", slug);
  const [asking, setAsking] = useState<"reveal" | "rearm">();
  // The secret lives in this component alone: not in the cache, and gone with the page.
  const [shown, setShown] = useState<Revealed>();
  const again = () => queries.invalidateQueries({ queryKey: ["secret", slug] });
  const reveal = async (why: string) => {
    setShown(await call<Revealed>("POST", tenantPath(slug, "secret", "reveal"), { why }));
    await again();
  };
  const rearm = async (why: string) => {
    await call("POST", tenantPath(slug, "secret", "rearm"), { why });
    await again();
  };
  return (
    <Answer of={answer}>
      {(known) => (
        <>
          {shown ? <Shown revealed={shown} hide={() => setShown(undefined)} /> : (
            <div className="row">
              <code role="img" aria-label="the secret is hidden">••••••••••••••••</code>
              {known.state === "armed" && <Act may={may} variant="secondary" onClick={() => setAsking("reveal")}>Reveal once</Act>}
              {known.state === "revealed" && <Act may={may} variant="secondary" onClick={() => setAsking("rearm")}>Allow another reveal</Act>}
            </div>
          )}
          {known.state === "foreign" && <Content component="p">Somebody else wrote this secret; it is not revealed here.</Content>}
          {known.revealed && <Content component="p">Revealed <Ago at={known.revealed.at} /> by {known.revealed.by}: {known.revealed.why}</Content>}
          {known.rearmed && <Content component="p">Allowed again <Ago at={known.rearmed.at} /> by {known.rearmed.by}: {known.rearmed.why}</Content>}
          {asking === "reveal" && (
            <Ask title="Reveal the enrollment secret?" verb="Reveal" why="such as: first agents, ticket 4711" close={() => setAsking(undefined)} act={reveal}>
              <Content component="p">It is shown once, to you. Your name and the reason are written down.</Content>
            </Ask>
          )}
          {asking === "rearm" && (
            <Ask title="Allow another reveal?" verb="Allow" why="such as: the customer lost the file, ticket 4712" close={() => setAsking(undefined)} act={rearm}>
              <Content component="p">The same secret can be shown once more. If you do not know who has it, rotate it instead.</Content>
            </Ask>
          )}
        </>
      )}
    </Answer>
  );
}

/** Shown is the secret, until the person has put it where it belongs. */
export function Shown({ revealed, hide }: { revealed: Revealed; hide: () => void }) {
  return (
    <Alert isInline variant="success" component="p" title="Copy it now. It is not shown again." actionLinks={<Button variant="link" isInline onClick={hide}>I have it</Button>}>
      {revealed.warning && <p>{revealed.warning}</p>}
      <Copy text={revealed.secret} name="secret" />
    </Alert>
  );
}
