# msaseg with the packages of uv.lock, for a CPU or for CUDA. With DEVICE=cuda it was built, by Buildah on
# Debian's own Python 3.11, and trained `smoke`; with DEVICE=cpu nobody has built it yet.
#
#   docker build -t msaseg .                          # CPU; torch from PyTorch's index of CPU builds
#   docker build -t msaseg --build-arg DEVICE=cuda .  # exactly uv.lock; `docker run --gpus all` needs NVIDIA's toolkit
#   docker run --rm --shm-size 2g -v "$PWD/data/camvid:/data:ro" -v "$PWD/outputs:/outputs" msaseg train protocol=smoke
#
# Folders that are mounted must be writable for user 1000, or give --user. Records lie in /outputs and name no commit.

FROM python:3.11-slim-bookworm AS build
ARG DEVICE=cpu
ENV UV_NO_CACHE=1 UV_PYTHON_DOWNLOADS=never UV_PROJECT_ENVIRONMENT=/opt/msaseg VIRTUAL_ENV=/opt/msaseg
RUN pip install --no-cache-dir "uv>=0.13,<1"
WORKDIR /src
COPY pyproject.toml uv.lock ./
RUN case "$DEVICE" in \
    cuda) uv sync --frozen --no-install-project ;; \
    cpu) uv venv "$VIRTUAL_ENV" \
        && uv export --quiet --frozen --no-emit-project --no-hashes -o all.txt \
        && uv export --quiet --frozen --no-emit-project --prune torch --prune torchvision -o locked.txt \
        && uv pip install --no-deps -r locked.txt \
        && uv pip install --torch-backend cpu -c all.txt torch torchvision ;; \
    *) echo "error: DEVICE=$DEVICE: give cpu or cuda" >&2 && exit 2 ;; \
    esac
COPY . .
RUN uv pip install --no-deps .

FROM python:3.11-slim-bookworm
RUN useradd --uid 1000 --create-home msaseg && install -d -o msaseg /data /outputs
COPY --from=build /opt/msaseg /opt/msaseg
ENV PATH=/opt/msaseg/bin:$PATH MSASEG_DATA=/data MSASEG_OUTPUTS=/outputs XDG_CACHE_HOME=/outputs/.cache
USER 1000
WORKDIR /outputs
VOLUME ["/data", "/outputs"]
ENTRYPOINT ["msaseg"]
CMD ["--help"]
