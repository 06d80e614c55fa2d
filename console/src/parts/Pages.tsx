import { Pagination, ToolbarItem } from "@patternfly/react-core";
import { perPage } from "./words";

/** Pages leads through a long table. */
export function Pages({ of, page, go, name }: { of: number; page: number; go: (page: number) => void; name: string }) {
  if (of <= perPage) return null;
  return (
    <ToolbarItem variant="pagination">
      <Pagination isCompact itemCount={of} perPage={perPage} page={page} onSetPage={(_, next) => go(next)} titles={{ paginationAriaLabel: "Pages of " + name }} perPageOptions={[{ title: String(perPage), value: perPage }]} />
    </ToolbarItem>
  );
}
