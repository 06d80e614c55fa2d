import { Button, Card, CardBody, CardTitle, Content, Divider, Form, FormGroup, FormHelperText, HelperText, HelperTextItem, TextInput } from "@patternfly/react-core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { Refusal, call } from "../api/client";
import { about } from "../api/queries";
import type { Session } from "../api/types";
import { Answer, Refused } from "../parts/Answer";
import { forget } from "./apart";

/** SignIn asks who is there. The token is sent once and kept nowhere in the browser. */
export function SignIn({ over }: { over: boolean }) {
  // Asked anew: what went wrong on the way through the identity provider is in it.
  const known = useQuery({ ...about(), refetchOnMount: "always" });
  const problem = known.data?.signIn.problem;
  return (
    <main className="door" id="main">
      <Card>
        <CardTitle component="h1">SocTalk Ingress</CardTitle>
        <CardBody>
          {problem && <Refused error={new Refusal(401, problem)} />}
          {over && !problem && <Content component="p">Sign in. A session ends after 8 hours, or after 30 minutes in which you do nothing.</Content>}
          <Answer of={known}>
            {({ signIn, version }) => (
              <>
                {signIn.oidc && <Button component="a" href={`/auth/login?back=${encodeURIComponent(location.pathname + location.search)}`} isBlock>Sign in with {signIn.provider}</Button>}
                {signIn.providerSignOut && <Content component="small" className="quiet version gap-below"><a href={signIn.providerSignOut}>Sign out of {signIn.provider} too</a></Content>}
                {signIn.oidc && signIn.token && <Divider className="gap-below" />}
                {signIn.token && <TokenForm />}
                <Content component="small" className="quiet version">{version}, <a href="/licenses.txt">licences of the pages</a></Content>
              </>
            )}
          </Answer>
        </CardBody>
      </Card>
    </main>
  );
}

function TokenForm() {
  const queries = useQueryClient();
  const [token, setToken] = useState("");
  const enter = useMutation({
    mutationFn: () => call<Session>("POST", "/api/v1/session", { token: token.trim() }),
    onSuccess: (session) => {
      forget(queries);
      queries.setQueryData(["session"], session);
    },
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (token.trim() !== "") enter.mutate();
  };
  return (
    <Form onSubmit={submit}>
      <FormGroup label="Kubernetes token" fieldId="token" isRequired>
        <TextInput id="token" type="password" autoComplete="off" value={token} onChange={(_, value) => setToken(value)} isRequired />
        <FormHelperText><HelperText><HelperTextItem>For example from <code>kubectl create token jane -n mssp</code>. You act with its rights, and under its name.</HelperTextItem></HelperText></FormHelperText>
      </FormGroup>
      {enter.isError && <Refused error={enter.error} />}
      <Button type="submit" isBlock isDisabled={token.trim() === ""} isLoading={enter.isPending}>Sign in</Button>
    </Form>
  );
}
