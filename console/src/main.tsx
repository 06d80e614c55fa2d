import "@patternfly/react-core/dist/styles/base.css";
import "./shell/console.css";
import { QueryClientProvider } from "@tanstack/react-query";
import { RouterProvider } from "@tanstack/react-router";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { client } from "./api/queries";
import { router } from "./router";
import { keepApart } from "./session/apart";

keepApart(client);
// A page the browser kept as it was, secrets and all, is not brought back to life.
addEventListener("pageshow", ({ persisted }) => {
  if (persisted) location.reload();
});

createRoot(document.getElementById("root")!).render(
  <StrictMode>
    <QueryClientProvider client={client}>
      <RouterProvider router={router} />
    </QueryClientProvider>
  </StrictMode>,
);
