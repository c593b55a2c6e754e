# The server as an image: docker build -t spanjet .

FROM rust:1-slim-bookworm AS build
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends python3 python3-venv \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /source
COPY . .
RUN python3 -m venv /venv \
    && /venv/bin/pip install --no-cache-dir "maturin>=1.9.4,<2" \
    && /venv/bin/maturin build --release --locked --out /wheel

FROM python:3.13-slim-bookworm
COPY --from=build /wheel /wheel
RUN pip install --no-cache-dir "$(echo /wheel/*.whl)[serve]" \
    && rm -rf /wheel \
    && useradd --create-home --uid 1000 spanjet
USER 1000
EXPOSE 8000
# Compiled models are not kept: the file system may be read-only.
ENV XDG_CACHE_HOME=/tmp/cache
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/v2/health/ready', timeout=4)"]
ENTRYPOINT ["spanjet"]
CMD ["serve", "--host", "0.0.0.0"]
