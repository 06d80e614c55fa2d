// A question before something is done: what it does, why, and for what cannot be
// undone the name, typed. The server's refusal is shown where the answer was given.
import { Button, Form, FormGroup, Modal, ModalBody, ModalFooter, ModalHeader, TextInput } from "@patternfly/react-core";
import { useMutation } from "@tanstack/react-query";
import { type FormEvent, type ReactNode, useId, useState } from "react";
import { Refused } from "./Answer";

interface Question {
  title: string;
  verb: string;
  danger?: boolean;
  /** Ask for a reason; an empty one is not taken. */
  why?: string;
  /** What has to be typed. */
  confirm?: string;
  /** The id of the field to begin with, where it is not that of the reason. */
  first?: string;
  /** More fields, and whether they are filled. */
  children?: ReactNode;
  ready?: boolean;
  act: (why: string) => Promise<unknown>;
  close: () => void;
}

export function Ask({ title, verb, danger, why, confirm, first, children, ready = true, act, close }: Question) {
  const id = useId();
  const [reason, setReason] = useState("");
  const [typed, setTyped] = useState("");
  const work = useMutation({ mutationFn: () => act(reason.trim()), onSuccess: close });
  const complete = ready && (!why || reason.trim() !== "") && (!confirm || typed === confirm);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (complete && !work.isPending) work.mutate();
  };
  return (
    <Modal isOpen variant="medium" onClose={close} aria-labelledby={id + "title"} elementToFocus={first ? "#" + first : why ? `[id="${id}why"]` : undefined}>
      <ModalHeader title={title} labelId={id + "title"} titleIconVariant={danger ? "warning" : undefined} />
      <ModalBody>
        <Form id={id + "form"} onSubmit={submit}>
          {children}
          {why && (
            <FormGroup label="Why" isRequired fieldId={id + "why"}>
              <TextInput id={id + "why"} value={reason} onChange={(_, value) => setReason(value)} placeholder={why} isRequired />
            </FormGroup>
          )}
          {confirm && (
            <FormGroup label={`Type ${confirm} to go on`} isRequired fieldId={id + "confirm"}>
              <TextInput id={id + "confirm"} value={typed} onChange={(_, value) => setTyped(value)} autoComplete="off" isRequired />
            </FormGroup>
          )}
          {work.isError && <Refused error={work.error} old={false} />}
        </Form>
      </ModalBody>
      <ModalFooter>
        <Button type="submit" form={id + "form"} variant={danger ? "danger" : "primary"} isDisabled={!complete} isLoading={work.isPending}>{verb}</Button>
        <Button variant="link" onClick={close}>Cancel</Button>
      </ModalFooter>
    </Modal>
  );
}
