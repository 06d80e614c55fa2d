# The image of soctalk-ingress: one static program, the certificates by which
# public servers are judged, and nothing else. `make image` builds it.
ARG GO_VERSION=1.26
ARG NODE_VERSION=22
FROM docker.io/library/node:${NODE_VERSION} AS pages
WORKDIR /src/console
COPY console/package.json console/package-lock.json ./
RUN npm ci --ignore-scripts --no-fund --no-audit
COPY console .
RUN npm run build

FROM docker.io/library/golang:${GO_VERSION} AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
COPY --from=pages /src/internal/console/pages/dist internal/console/pages/dist
ARG VERSION=dev
RUN CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=${VERSION}" -o /soctalk-ingress ./cmd/soctalk-ingress

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /soctalk-ingress /soctalk-ingress
# A number and not a name: the kubelet checks runAsNonRoot, and there is no passwd.
USER 65532:65532
ENTRYPOINT ["/soctalk-ingress"]
