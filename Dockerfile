# kprune in a container: the server, the worker, the client and the exporter, with exactly the libraries that they load, on no base.
#
#   docker build --tag kprune:cpu .
#   docker build --tag kprune:cuda --build-arg VARIANT=cuda .
#
# deploy/README.md says how it is run, deploy/container/build_in_bare_root.sh does the same without a container engine.

# A digest (debian:12-slim@sha256:...) makes the base the same for ever; SNAPSHOT=yes takes Debian's packages as they were when it was made.
ARG BASE=debian:12-slim
ARG VARIANT=cpu

FROM ${BASE} AS build
WORKDIR /src
ARG SNAPSHOT=no
COPY deploy/container/pin_debian.sh deploy/container/
RUN if [ "${SNAPSHOT}" = yes ]; then deploy/container/pin_debian.sh; fi
ARG VARIANT
COPY scripts/setup.sh scripts/
RUN case "${VARIANT}" in \
      cpu) scripts/setup.sh --programs ;; \
      cuda) scripts/setup.sh --programs --cuda ;; \
      *) echo "VARIANT is '${VARIANT}'; accepted are cpu and cuda" >&2; exit 1 ;; \
    esac
COPY . .
RUN --mount=type=cache,target=/root/.cache/ccache scripts/build.sh image
ARG SOURCE_DATE_EPOCH=0
RUN deploy/container/assemble.sh build/image/bin /image

FROM scratch AS cpu
COPY --from=build /image /
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="kprune" \
      org.opencontainers.image.description="Prunes fine-tuned encoder language models without retraining" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.base.name="scratch"
# The services answer on every address of the container; what may reach it is the network's to say, and who may call the access file's.
ENV KPRUNE_LISTEN=0.0.0.0:8470 \
    KPRUNE_METRICS_LISTEN=0.0.0.0:9470 \
    KPRUNE_HEALTH_LISTEN=0.0.0.0:8471 \
    KPRUNE_DATA_DIR=/var/lib/kprune \
    KPRUNE_ONNXRUNTIME=/usr/lib/kprune/libonnxruntime.so \
    TMPDIR=/tmp
USER 10001:10001
WORKDIR /var/lib/kprune
VOLUME ["/var/lib/kprune"]
EXPOSE 8470 8471 9470
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=90s --retries=3 \
  CMD ["/usr/bin/kprune", "health", "--server", "127.0.0.1:8471"]
ENTRYPOINT ["/usr/bin/kprune-server"]

FROM cpu AS cuda
# What the container run-time of a GPU mounts: every GPU that the container was given, the driver and NVML.
ENV NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility

# hadolint ignore=DL3006
FROM ${VARIANT} AS image
