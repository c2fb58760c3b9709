# The builder runs on the machine's own platform and cross-compiles, so that no emulation is needed:
#   docker buildx build --platform linux/amd64,linux/arm64 --build-arg VERSION=v0.1.0 .
FROM --platform=$BUILDPLATFORM golang:1.26 AS build
ARG TARGETOS=linux
ARG TARGETARCH
ARG VERSION=v0.0.0-dev
ARG COMMIT=""
WORKDIR /src

# Dependencies change less often than the code: they get a layer of their own.
COPY go.mod go.sum ./
RUN --mount=type=cache,target=/go/pkg/mod go mod download

COPY . .
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    CGO_ENABLED=0 GOOS=${TARGETOS} GOARCH=${TARGETARCH} go build -trimpath \
    -ldflags "-s -w -X github.com/flotilla-dev/flotilla/internal/version.Version=${VERSION} -X github.com/flotilla-dev/flotilla/internal/version.Commit=${COMMIT}" \
    -o /out/flotilla .

FROM gcr.io/distroless/static:nonroot
ARG VERSION=v0.0.0-dev
LABEL org.opencontainers.image.title="flotilla" \
      org.opencontainers.image.description="Runs Kubernetes applications across many clusters" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.source="https://github.com/flotilla-dev/flotilla" \
      org.opencontainers.image.version="${VERSION}"
COPY LICENSE /licenses/LICENSE
COPY --from=build /out/flotilla /flotilla
USER 65532:65532
ENTRYPOINT ["/flotilla"]
CMD ["manager"]
