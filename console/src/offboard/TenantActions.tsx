// What is done to a tenant as a whole: suspend, resume, remove.
import { Alert, Content, Flex, FlexItem } from "@patternfly/react-core";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { call, tenantPath } from "../api/client";
import { usePermission } from "../api/queries";
import type { Tenant } from "../api/types";
import { Act } from "../parts/Act";
import { isSuspended } from "../tenant/standing";
import { Ask } from "../parts/Ask";

export function TenantActions({ tenant }: { tenant: Tenant }) {
  const { slug } = tenant;
  const queries = useQueryClient();
  const [open, setOpen] = useState<"suspend" | "resume" | "offboard">();
  const suspend = usePermission("tenant.suspend", slug);
  const offboard = usePermission("tenant.offboard", slug);
  if (tenant.removal) return null;
  const post = async (what: string, body?: unknown) => {
    await call("POST", tenantPath(slug, what), body);
    await queries.invalidateQueries({ queryKey: ["tenants"] });
  };
  const close = () => setOpen(undefined);
  const suspended = isSuspended(tenant);
  return (
    <Flex>
      <FlexItem><Act may={suspend} variant="secondary" onClick={() => setOpen(suspended ? "resume" : "suspend")}>{suspended ? "Resume" : "Suspend"}</Act></FlexItem>
      <FlexItem><Act may={offboard} variant="secondary" isDanger onClick={() => setOpen("offboard")}>Offboard</Act></FlexItem>
      {open === "suspend" && (
        <Ask title={`Suspend ${slug}?`} verb="Suspend" danger why="such as: invoice 2026-117 unpaid" close={close} act={(why) => post("suspend", { why })}>
          <Content component="p">Nobody enrolls, nobody connects, and who is connected is sent away. Address, name, certificate, secret and keys are kept: after a resume the same agents come back by themselves.</Content>
        </Ask>
      )}
      {open === "resume" && (
        <Ask title={`Resume ${slug}?`} verb="Resume" close={close} act={() => post("resume")}>
          <Content component="p">The way in opens again, and the same agents come back without enrolling.</Content>
        </Ask>
      )}
      {open === "offboard" && (
        <Ask title={`Offboard ${slug}?`} verb="Offboard" danger why="such as: contract ended, ticket 4711" confirm={slug} close={close} act={(why) => post("offboard", { why, confirm: slug })}>
          <Alert isInline variant="danger" component="p" title="This cannot be undone. Copy what you must keep of the manager's data first." />
          <ul className="remarks">{tenant.loss.map((line) => <li key={line}>{line}</li>)}</ul>
        </Ask>
      )}
    </Flex>
  );
}
