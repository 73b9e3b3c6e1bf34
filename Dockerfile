# syntax=docker/dockerfile:1
# The server in a small image: no shell tools needed, no root, one writable folder.
#
#   docker build --tag orchestratai .
#   docker run --rm -p 127.0.0.1:8000:8000 -v orchestratai:/data -e ORCHESTRATAI__AUTH__TOKEN="$(openssl rand -hex 32)" orchestratai
#
# The token is not optional here: in a container the server must listen beyond loopback, and that it refuses to do without
# authentication.

FROM node:24-bookworm-slim AS console
WORKDIR /src
COPY console/package.json console/package-lock.json console/.npmrc ./
RUN --mount=type=cache,target=/root/.npm npm ci
COPY console .
RUN npm run build

FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
COPY --from=console /src/dist console/dist
# `release`, not `dist`: link-time optimisation made the binary no smaller and takes minutes (docs/adr/0005).
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --release --locked -p orchestratai \
    && install -D target/release/orchestratai /out/usr/local/bin/orchestratai \
    && install -D -m 0644 LICENSE NOTICE -t /out/usr/share/doc/orchestratai \
    && install -d -o 10001 -g 10001 /out/data

# The same Debian as the build: one glibc. A shell is kept, for those who must look into a running container.
FROM debian:bookworm-slim
COPY --from=build /out/ /
USER 10001:10001
WORKDIR /data
VOLUME /data
EXPOSE 8000
# SIGTERM drains running turns for at most 20 seconds (`server.drain`); give the container longer than that to stop.
STOPSIGNAL SIGTERM
# The binary asks http://127.0.0.1:8000/api/health/live itself, so that no HTTP client has to be in the image. It needs no token.
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
    CMD ["orchestratai", "healthcheck"]
ENTRYPOINT ["orchestratai"]
CMD ["serve", "--host", "0.0.0.0", "--port", "8000", "--data-dir", "/data"]
