// Revoking: first who it would be, by the server's own judgement, then what became of each.
import { Alert, Button, Content, Modal, ModalBody, ModalFooter, ModalHeader } from "@patternfly/react-core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { byPage, byPerson, call, tenantPath } from "../api/client";
import type { Agent, RevokeRequest, Revoked, RevokeResult } from "../api/types";
import { Answer, Refused } from "../parts/Answer";
import { Status } from "../parts/Status";
import { count } from "../parts/words";
import { Form, FormGroup, TextInput } from "@patternfly/react-core";

const revoke = (slug: string, body: RevokeRequest) => call<Revoked>("POST", tenantPath(slug, "agents", "revoke"), body, body.dryRun ? byPage : byPerson);

export function Revoke({ slug, ids, close }: { slug: string; ids: string[]; close: () => void }) {
  const queries = useQueryClient();
  const [why, setWhy] = useState("");
  const [typed, setTyped] = useState("");
  // The dry run needs a reason as the deed does; nobody reads this one.
  const dry = useQuery({ queryKey: ["revoke", slug, ids], queryFn: () => revoke(slug, { ids, why: "dry run", dryRun: true }), gcTime: 0, retry: false });
  const deed = useMutation({
    mutationFn: () => revoke(slug, { ids, why: why.trim() }),
    onSettled: () => Promise.all([queries.invalidateQueries({ queryKey: ["agents", slug] }), queries.invalidateQueries({ queryKey: ["revocations", slug] })]),
  });
  const ready = why.trim() !== "" && dry.isSuccess && (ids.length === 1 || typed === slug);
  return (
    <Modal isOpen variant="medium" onClose={close} aria-labelledby="revoke-title" elementToFocus="#revoke-why">
      <ModalHeader title={deed.isSuccess ? "Revoked" : `Revoke ${count(ids.length, "agent")}?`} labelId="revoke-title" titleIconVariant={deed.isSuccess ? undefined : "warning"} />
      <ModalBody>
        {deed.isSuccess ? <Results results={deed.data.results} /> : (
          <>
            <Content component="p">The registration and its key are taken away, and the host is refused as long as the revocation stands.</Content>
            <Answer of={dry}>{(data) => <Chosen agents={data.agents} />}</Answer>
            <Form id="revoke" onSubmit={(event) => { event.preventDefault(); if (ready) deed.mutate(); }}>
              <FormGroup label="Why" isRequired fieldId="revoke-why"><TextInput id="revoke-why" value={why} onChange={(_, value) => setWhy(value)} placeholder="such as: laptop stolen, ticket 4711" isRequired /></FormGroup>
              {ids.length > 1 && <FormGroup label={`Type ${slug} to go on`} isRequired fieldId="revoke-slug"><TextInput id="revoke-slug" value={typed} onChange={(_, value) => setTyped(value)} autoComplete="off" isRequired /></FormGroup>}
            </Form>
            {deed.isError && <Refused error={deed.error} />}
          </>
        )}
      </ModalBody>
      <ModalFooter>
        {deed.isSuccess ? <Button onClick={close}>Close</Button> : (
          <>
            <Button type="submit" form="revoke" variant="danger" isDisabled={!ready} isLoading={deed.isPending}>Revoke</Button>
            <Button variant="link" onClick={close}>Cancel</Button>
          </>
        )}
      </ModalFooter>
    </Modal>
  );
}

function Chosen({ agents }: { agents: Agent[] }) {
  return <ul aria-label="Agents to be revoked" className="gap-below many" tabIndex={agents.length > 8 ? 0 : undefined}>{agents.map((agent) => <li key={agent.id}>{agent.id} {agent.name} <Status state={agent.state} /></li>)}</ul>;
}

function Results({ results }: { results: RevokeResult[] }) {
  const failed = results.filter((result) => result.error !== undefined);
  return (
    <>
      {failed.length > 0 && <Content component="p"><strong>{failed.length} of {count(results.length, "agent")} failed.</strong> They are first in the list.</Content>}
      <div className="many" tabIndex={results.length > 8 ? 0 : undefined} role="group" aria-label="What became of each">
      {[...failed, ...results.filter((result) => result.error === undefined)].map((result) => (
        <Alert key={result.id} isInline isPlain component="p" variant={result.error ? "danger" : "success"}
          title={`${result.id} ${result.name}: ${result.error ?? (result.already ? "was revoked before" : "is being revoked")}`} />
      ))}
      </div>
      <Content component="p">How far each is stands under Revoked, step by step.</Content>
    </>
  );
}
