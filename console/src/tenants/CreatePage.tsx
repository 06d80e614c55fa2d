// A new tenant: the form, and beside it what the cluster says of it while it is typed.
import {
  Alert, Breadcrumb, BreadcrumbItem, Button, ExpandableSection, Form, FormGroup, FormHelperText, FormSelect, FormSelectOption, Grid, GridItem, HelperText, HelperTextItem,
  PageSection, TextInput, Title,
} from "@patternfly/react-core";
import { keepPreviousData, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Link, useNavigate } from "@tanstack/react-router";
import { type FormEvent, useEffect, useState } from "react";
import { Refusal, byPage, call } from "../api/client";
import { regions, usePermission } from "../api/queries";
import type { Created, Problem } from "../api/types";
import { Act } from "../parts/Act";
import { Refused } from "../parts/Answer";
import { Copy } from "../parts/Copy";
import { Facts } from "../parts/Facts";
import { type Draft, empty, fieldOf, request } from "./draft";

export function CreatePage() {
  const [draft, setDraft] = useState<Draft>(empty);
  const go = useNavigate();
  const queries = useQueryClient();
  const may = usePermission("tenant.create");
  const preview = usePreview(draft);
  const create = useMutation({
    mutationFn: () => call<Created>("POST", "/api/v1/tenants", request(draft, false)),
    onSuccess: async ({ slug }) => {
      await queries.invalidateQueries({ queryKey: ["tenants"] });
      await go({ to: "/tenants/$slug/$tab", params: { slug, tab: "path" } });
    },
  });
  const problem = create.error ?? preview.error;
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (may.allowed && draft.slug !== "") create.mutate();
  };
  return (
    <PageSection>
      <Breadcrumb><BreadcrumbItem><Link to="/tenants">Tenants</Link></BreadcrumbItem><BreadcrumbItem isActive>New</BreadcrumbItem></Breadcrumb>
      <Title headingLevel="h1" className="gap-below">New tenant</Title>
      <Grid hasGutter>
        <GridItem lg={6}>
          <Form onSubmit={submit}>
            <Fields draft={draft} change={setDraft} problem={problem instanceof Refusal ? problem.problem : undefined} />
            <div className="row">
              <Act may={may} type="submit" isDisabled={draft.slug === ""} isLoading={create.isPending}>Create</Act>
              <Button variant="link" onClick={() => void go({ to: "/tenants" })}>Cancel</Button>
            </div>
          </Form>
        </GridItem>
        <GridItem lg={6}>
          <section aria-label="What the cluster says" aria-live="polite">
            {problem ? <Refused error={problem} /> : preview.data && <Verdict created={preview.data} />}
          </section>
          {preview.data && <Copy text={preview.data.yaml} name="YAML" />}
        </GridItem>
      </Grid>
    </PageSection>
  );
}

function Verdict({ created: { would } }: { created: Created }) {
  return (
    <Alert isInline variant="success" component="h2" title="The cluster would take it" className="gap-below">
      {would && <Facts of={[["Hostname", would.hostname], ["Region", would.region], ["Mode", would.mode], ["Certificate", would.strategy], ["Namespace", would.namespace]]} />}
    </Alert>
  );
}

/** usePreview lets the API server judge the draft once the typing pauses. */
function usePreview(draft: Draft) {
  const [settled, setSettled] = useState(draft);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(draft), 400);
    return () => clearTimeout(timer);
  }, [draft]);
  return useQuery({
    queryKey: ["preview", settled],
    queryFn: () => call<Created>("POST", "/api/v1/tenants", request(settled, true), byPage),
    enabled: settled.slug.trim() !== "",
    placeholderData: keepPreviousData,
    retry: false,
  });
}

interface Inputs { draft: Draft; change: (draft: Draft) => void; problem?: Problem }

function Fields({ draft, change, problem }: Inputs) {
  const [more, setMore] = useState(false);
  const where = useQuery(regions());
  const wrong = new Map([problem, ...(problem?.more ?? [])].map((each) => [fieldOf(each?.field), each]));
  // A field with a fault is not kept out of sight.
  const hidden: (keyof Draft)[] = ["hostname", "allowedNetworks", "edgePorts", "version", "wazuh5Agents"];
  const input = (key: keyof Draft, label: string, hint: string, required = false) => {
    const bad = wrong.get(key);
    return (
      <FormGroup label={label} fieldId={key} isRequired={required}>
        <TextInput id={key} value={draft[key]} onChange={(_, value) => change({ ...draft, [key]: value })} validated={bad ? "error" : "default"} aria-describedby={key + "-hint"} isRequired={required} />
        <FormHelperText><HelperText id={key + "-hint"}><HelperTextItem variant={bad ? "error" : "default"}>{bad ? (bad.next ?? bad.error) : hint}</HelperTextItem></HelperText></FormHelperText>
      </FormGroup>
    );
  };
  const choice = (key: keyof Draft, label: string, options: [string, string][]) => (
    <FormGroup label={label} fieldId={key}>
      <FormSelect id={key} value={draft[key]} onChange={(_, value) => change({ ...draft, [key]: value })}>
        {options.map(([value, text]) => <FormSelectOption key={value} value={value} label={text} />)}
      </FormSelect>
    </FormGroup>
  );
  return (
    <>
      {input("slug", "Slug", "one DNS label: it names the namespace, and the hostname unless you give one", true)}
      {input("displayName", "Display name", "the customer's name as people write it")}
      {choice("region", "Region", [["", "the default Region"], ...(where.data?.regions ?? []).map((region): [string, string] => [region.name, `${region.name} (${region.domain})`])])}
      {choice("mode", "Mode", [["", "the Region's default"], ["loadbalancer", "loadbalancer: an address of its own"], ["edge-haproxy", "edge-haproxy: ports at the shared address"]])}
      <ExpandableSection toggleText="More: hostname, networks, ports, version" isExpanded={more || hidden.some((key) => wrong.has(key))} onToggle={(_, open) => setMore(open)}>
        <div className="fields">
        {input("hostname", "Hostname", "empty: slug and the Region's domain")}
        {input("allowedNetworks", "Allowed networks", "such as 203.0.113.0/24, with commas between; empty: from everywhere")}
        {input("edgePorts", "Ports at the edge", "as EVENTS/ENROLLMENT, such as 15140/15141; empty: a free pair")}
        {input("version", "Version of the manager", "such as 4.14.7; empty: the Region's")}
        {choice("wazuh5Agents", "Agents of Wazuh 5", [["", "closed, the default"], ["closed", "closed"], ["unguarded", "unguarded: past the gateway"]])}
        </div>
      </ExpandableSection>
    </>
  );
}
