import { Alert, Card, CardBody, CardTitle, Content, ProgressStep, ProgressStepper, Stack, StackItem } from "@patternfly/react-core";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { call, tenantPath } from "../api/client";
import { secret, usePermission } from "../api/queries";
import type { Rotation, Tenant } from "../api/types";
import { Act } from "../parts/Act";
import { Answer } from "../parts/Answer";
import { Facts } from "../parts/Facts";
import { Ago, Until } from "../parts/Time";
import { apart } from "../parts/words";
import { RevealCard } from "./RevealCard";
import { Rotate } from "./Rotate";
import { rungs } from "./rotation";
import { TokensCard } from "./TokensCard";

export function SecurityTab({ tenant }: { tenant: Tenant }) {
  return (
    <Stack hasGutter>
      <StackItem><SecretCard slug={tenant.slug} /></StackItem>
      <StackItem><TokensCard slug={tenant.slug} /></StackItem>
      <StackItem><CertificateCard tenant={tenant} /></StackItem>
    </Stack>
  );
}

function SecretCard({ slug }: { slug: string }) {
  const answer = useQuery(secret(slug));
  const queries = useQueryClient();
  const may = usePermission("secret.rotate", slug);
  const [asking, setAsking] = useState(false);
  const rotate = async (overlap: string) => {
    await call("POST", tenantPath(slug, "secret", "rotate"), { overlap });
    await queries.invalidateQueries({ queryKey: ["secret", slug] });
  };
  return (
    <Card>
      <CardTitle component="h2">Enrollment secret</CardTitle>
      <CardBody>
        <Stack hasGutter>
          <StackItem><RevealCard slug={slug} /></StackItem>
          <StackItem>
            <Answer of={answer}>
              {(known) => (
                <>
                  <Facts of={[["Secret in the cluster", known.name], ["Since", <Ago at={known.since} />]]} />
                  {known.rotation && <RotationSteps rotation={known.rotation} />}
                </>
              )}
            </Answer>
          </StackItem>
          <StackItem><Act may={may} variant="secondary" onClick={() => setAsking(true)}>Rotate</Act></StackItem>
        </Stack>
        {asking && <Rotate close={() => setAsking(false)} rotate={rotate} />}
      </CardBody>
    </Card>
  );
}

function RotationSteps({ rotation }: { rotation: Rotation }) {
  return (
    <>
      <Content component="p">Last rotation began <Ago at={rotation.started} />{rotation.finished ? <>, finished <Ago at={rotation.finished} /></> : ""}.{rotation.waiting && " Another is asked for and waits."}</Content>
      {rotation.stuck && <Alert isInline variant="warning" component="p" title={rotation.stuck} className="gap-below" />}
      <ProgressStepper aria-label="Steps of the rotation">
        {rungs(rotation.step).map(({ step, state }) => (
          <ProgressStep key={step} id={"rotation-" + step} titleId={`rotation-${step}-title`} variant={state === "done" ? "success" : state === "now" ? "info" : "pending"} isCurrent={state === "now"}
            aria-label={`${apart(step)}: ${state}`} description={step === "Overlap" && rotation.overlapUntil ? <>ends <Until at={rotation.overlapUntil} /></> : undefined}>{apart(step)}</ProgressStep>
        ))}
      </ProgressStepper>
    </>
  );
}

function CertificateCard({ tenant }: { tenant: Tenant }) {
  const known = tenant.certificate;
  return (
    <Card>
      <CardTitle component="h2">Certificate of the enrollment port</CardTitle>
      <CardBody>
        {known ? (
          <Facts of={[["Ends", <Until at={known.ends} />], ["Strategy", known.strategy], ["Issuer", known.issuer], ["Serial", known.serial], ["Served instead", known.servedSerial], ["Not served since", known.notServedSince && <Ago at={known.notServedSince} />]]} />
        ) : <Content component="p">There is none yet. The Path says what it waits for.</Content>}
      </CardBody>
    </Card>
  );
}
