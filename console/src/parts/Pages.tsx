import { Pagination, ToolbarItem } from "@patternfly/react-core";
import { perPage } from "./words";

interface Where { of: number; page: number; go: (page: number) => void; name: string }

const options = [{ title: String(perPage), value: perPage }];

/** Pages leads through a long table; on a phone PagesBelow does. */
export function Pages({ of, page, go, name }: Where) {
  if (of <= perPage) return null;
  return (
    <ToolbarItem variant="pagination" visibility={{ default: "hidden", md: "visible" }}>
      <Pagination isCompact itemCount={of} perPage={perPage} page={page} onSetPage={(_, next) => go(next)} titles={{ paginationAriaLabel: "Pages of " + name }} perPageOptions={options} />
    </ToolbarItem>
  );
}

/** PagesBelow does it once more, for who has read to the end of the page. */
export function PagesBelow({ of, page, go, name }: Where) {
  if (of <= perPage) return null;
  const turn = (next: number) => {
    go(next);
    document.getElementById("main")?.scrollTo({ top: 0 });
  };
  return <Pagination variant="bottom" itemCount={of} perPage={perPage} page={page} onSetPage={(_, next) => turn(next)} titles={{ paginationAriaLabel: `Pages of ${name}, below` }} perPageOptions={options} />;
}
