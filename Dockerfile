# syntax=docker/dockerfile:1
# verifa-mcp in HTTP mode. docs/deploy.md says how to run it, and what of this was tried.

FROM rust:1.95-slim-bookworm AS build
# The slim image has gcc, which the TLS library needs. busybox is for the health check below.
RUN apt-get update && apt-get install -y --no-install-recommends busybox-static && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY Cargo.toml Cargo.lock ./
COPY src ./src
# Cargo wants every target that Cargo.toml names to be there.
COPY benches ./benches
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/src/target \
    cargo build --release --locked && cp target/release/verifa-mcp /verifa-mcp

# Only glibc and the certificate authorities: no shell, no package manager. The same Debian as above, for its glibc.
FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /verifa-mcp /usr/local/bin/verifa-mcp
# Under this name busybox is wget and nothing else.
COPY --from=build /bin/busybox /usr/local/bin/wget
# The MCP registry asks for it, to see that the image belongs to the entry of that name.
LABEL io.modelcontextprotocol.server.name="io.github.verifa-mcp/verifa-mcp"
USER nonroot
EXPOSE 8787
# In a container, others must be able to reach it. Where a key is configured, --auth must then say who may call.
ENV VERIFA_MCP_LISTEN=0.0.0.0:8787
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s --retries=3 \
    CMD ["/usr/local/bin/wget", "-q", "-O", "/dev/null", "http://127.0.0.1:8787/readyz"]
ENTRYPOINT ["/usr/local/bin/verifa-mcp"]
CMD ["http"]
