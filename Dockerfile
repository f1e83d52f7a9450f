# The server as an image: the first stage compiles, the second has neither compiler nor sources.
ARG PYTHON=3.12

FROM rust:1-slim-bookworm AS rust

FROM python:${PYTHON}-slim-bookworm AS build
COPY --from=rust /usr/local/cargo /usr/local/cargo
COPY --from=rust /usr/local/rustup /usr/local/rustup
ENV PATH=/usr/local/cargo/bin:$PATH CARGO_HOME=/usr/local/cargo RUSTUP_HOME=/usr/local/rustup
RUN apt-get update && apt-get install -y --no-install-recommends gcc g++ libc6-dev && rm -rf /var/lib/apt/lists/*
RUN python -m venv /opt/provenance
WORKDIR /source
COPY pyproject.toml README.md LICENSE ./
COPY provenance provenance
COPY indexer indexer
COPY cli cli
RUN /opt/provenance/bin/pip install --no-cache-dir '.[server]' \
    && PROVENANCE_KERNEL=native /opt/provenance/bin/provenance --version

FROM python:${PYTHON}-slim-bookworm
RUN useradd --system --uid 10001 --no-create-home provenance
COPY --from=build /opt/provenance /opt/provenance
ENV PATH=/opt/provenance/bin:$PATH PROVENANCE_KERNEL=native PYTHONDONTWRITEBYTECODE=1
USER 10001
VOLUME /index
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/readyz', timeout=4)"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["provenance"]
CMD ["serve", "--index", "/index", "--host", "0.0.0.0", "--port", "8000"]
