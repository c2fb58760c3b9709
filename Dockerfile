# The builder runs on the machine's own platform and cross-compiles, so that no emulation is needed:
#   docker buildx build --platform linux/amd64,linux/arm64 --build-arg VERSION=v0.1.0 .
# `make image` follows the same file where there is no Docker; internal/release knows the instructions that are used here.
FROM --platform=$BUILDPLATFORM golang:1.26.8-bookworm AS build
ARG TARGETOS=linux
ARG TARGETARCH
ARG VERSION=v0.0.0-dev
ARG COMMIT=""
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    CGO_ENABLED=0 GOOS=${TARGETOS} GOARCH=${TARGETARCH} go build -trimpath -buildvcs=false \
    -ldflags "-s -w -X github.com/flotilla-dev/flotilla/internal/version.Version=${VERSION} -X github.com/flotilla-dev/flotilla/internal/version.Commit=${COMMIT}" \
    -o flotilla .

# Nothing but the binary, and the authorities by which it knows a member's API server that has a public certificate.
FROM scratch
ARG VERSION=v0.0.0-dev
ARG COMMIT=""
LABEL org.opencontainers.image.title="flotilla" \
      org.opencontainers.image.description="Runs Kubernetes applications across many clusters" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.source="https://github.com/flotilla-dev/flotilla" \
      org.opencontainers.image.revision="${COMMIT}" \
      org.opencontainers.image.version="${VERSION}"
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY LICENSE /licenses/LICENSE
COPY --from=build /src/flotilla /flotilla
USER 65532:65532
ENTRYPOINT ["/flotilla"]
CMD ["manager"]
