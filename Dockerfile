# The image that a cloud's jobs run in: the exact versions of requirements.lock and the
# plugin that reaches the bucket. The code is not in it: Snakemake sends the files that
# git tracks with each run, so an edit of the code needs no new image.
#
#   docker build --tag YOUR-REGISTRY/safegrid:0.1.0 .
#
# This file was never built where it was written (no docker there): docs/run_in_a_cloud.md
FROM python:3.11-slim

# A compiler for kernels that PyTorch compiles when they are first used on a GPU, and a
# sandbox for programs that a model wrote.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends bubblewrap gcc libc6-dev \
    && rm -rf /var/lib/apt/lists/*

# As the Makefile's TORCH_BUILD: empty takes the build that pip offers (CUDA), otherwise
# an index, such as https://download.pytorch.org/whl/cpu
ARG TORCH_INDEX=
WORKDIR /opt/safegrid
COPY requirements.lock requirements-cloud.lock ./
# torch is by far the largest part and changes least: a layer of its own.
RUN pip install --no-cache-dir --no-deps ${TORCH_INDEX:+--index-url "$TORCH_INDEX"} \
        "$(grep '^torch==' requirements.lock)"
RUN pip install --no-cache-dir --requirement requirements.lock
# Before each job Snakemake installs the bucket's plugin anew, without a version. It
# finds this one, here: no network, and the version of the lock.
RUN pip install --no-cache-dir --constraint requirements-cloud.lock \
        snakemake-storage-plugin-s3 \
    && pip download --no-deps --dest wheels \
        "$(grep '^snakemake-storage-plugin-s3==' requirements-cloud.lock)"
ARG PIP_NO_INDEX=1
ENV PIP_NO_INDEX=$PIP_NO_INDEX PIP_FIND_LINKS=/opt/safegrid/wheels PIP_NO_DEPS=1

# Kubernetes mounts an empty folder at /workdir; elsewhere jobs write into this one.
RUN useradd --create-home --uid 1000 safegrid \
    && install --directory --owner safegrid /workdir
USER safegrid
WORKDIR /workdir
