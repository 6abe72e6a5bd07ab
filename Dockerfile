# The API and the command line. EXTRA: cpu (no PyTorch) or gpu (FAISS and PyTorch with CUDA).
# The base is pinned by its exact tag, which whoever publishes it could move; a digest cannot be
# looked up without Docker Hub: --build-arg BASE=python:3.12.11-slim-bookworm@sha256:... pins that.
ARG BASE=python:3.12.11-slim-bookworm

FROM ${BASE} AS build
ARG EXTRA=cpu
WORKDIR /src
COPY constraints.txt ./
RUN python -m venv /opt/uv \
 && sed -n '/^uv==/,/[^\\]$/p' constraints.txt > uv.txt \
 && /opt/uv/bin/pip install --no-cache-dir --requirement uv.txt \
 && /opt/uv/bin/uv venv --python "$(command -v python)" /opt/marklens
COPY pyproject.toml README.md LICENSE NOTICE ./
COPY models models
COPY indexer indexer
COPY search_api search_api
COPY marklens marklens
# Every package at the version and with a digest of constraints.txt; then a list of them all (SBOM).
RUN /opt/uv/bin/uv pip install --python /opt/marklens/bin/python --no-cache --compile-bytecode \
      --constraint constraints.txt --build-constraint constraints.txt ".[${EXTRA}]" \
 && /opt/uv/bin/uv tool run --no-cache --constraints constraints.txt --from cyclonedx-bom \
      cyclonedx-py environment /opt/marklens/bin/python --output-file /opt/marklens/sbom.cdx.json

FROM ${BASE}
RUN useradd --uid 10001 --no-create-home marklens \
 && install --directory --owner=marklens --group=marklens --mode=0700 /data
COPY --from=build /opt/marklens /opt/marklens
ENV PATH=/opt/marklens/bin:$PATH MARKLENS_DATA_DIR=/data PYTHONDONTWRITEBYTECODE=1
USER 10001
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=6 \
  CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/readyz', timeout=4)"]
# It listens on 127.0.0.1 until MARKLENS_HOST says otherwise, which it refuses without a key.
CMD ["marklens", "serve"]
