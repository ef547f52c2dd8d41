# One image for every node; what a node is, its home says. How to run it: docs/how-to/container.md.
#
#   docker build -t yizhan .
FROM python:3.11-slim-bookworm AS build
WORKDIR /source
COPY requirements/runtime.txt requirements/
RUN python -m venv /opt/yizhan \
    && /opt/yizhan/bin/pip install --no-cache-dir --no-deps --require-hashes -r requirements/runtime.txt
COPY . .
RUN /opt/yizhan/bin/pip install --no-cache-dir --no-deps --no-build-isolation . \
    && /opt/yizhan/bin/pip check

FROM python:3.11-slim-bookworm
RUN useradd --uid 10001 --create-home --home-dir /home/yizhan yizhan
COPY --from=build /opt/yizhan /opt/yizhan
ENV PATH=/opt/yizhan/bin:$PATH YIZHAN_HOME=/home/yizhan/node PYTHONUNBUFFERED=1
USER 10001
VOLUME /home/yizhan
EXPOSE 8440 8441
STOPSIGNAL SIGTERM
ENTRYPOINT ["yizhan"]
CMD ["run"]
