# The API and the command line; EXTRA is cpu (no PyTorch) or gpu (FAISS and PyTorch with CUDA).
FROM python:3.12-slim AS build
ARG EXTRA=cpu
RUN pip install --no-cache-dir uv && uv venv /opt/marklens
WORKDIR /src
COPY pyproject.toml README.md LICENSE NOTICE ./
COPY models models
COPY indexer indexer
COPY search_api search_api
COPY marklens marklens
RUN uv pip install --python /opt/marklens/bin/python --no-cache ".[${EXTRA}]"

FROM python:3.12-slim
RUN useradd --create-home --uid 10001 marklens && mkdir /data && chown marklens /data
COPY --from=build /opt/marklens /opt/marklens
ENV PATH=/opt/marklens/bin:$PATH MARKLENS_DATA_DIR=/data
USER marklens
VOLUME /data
EXPOSE 8000
CMD ["marklens", "serve"]
