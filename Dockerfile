# One image: the MCP server, REST, the live stream and the commands. Runs as a plain user.
FROM python:3.11-slim AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /src
COPY pyproject.toml requirements.lock README.md LICENSE ./
COPY aiops_mcp aiops_mcp
COPY agents agents
COPY personas personas
# The lock holds the development tools too; only what the package itself asks for is installed,
# at the locked versions (a constraints file takes no hashes, so those are cut).
RUN sed -E 's/ *\\$//; /^ +--hash/d' requirements.lock > constraints.txt \
 && python -m venv /opt/aiops \
 && /opt/aiops/bin/pip install --no-cache-dir --constraint constraints.txt . \
 && find /opt/aiops -name '__pycache__' -prune -exec rm -rf {} +

FROM python:3.11-slim
LABEL io.modelcontextprotocol.server.name="io.github.aiops-mcp/aiops-mcp" \
      org.opencontainers.image.title="aiops-mcp" \
      org.opencontainers.image.description="Ask a whole fleet of Kubernetes and OpenShift clusters one question" \
      org.opencontainers.image.licenses="Apache-2.0"
# Trust store of the distribution, for clusters behind public or mounted authorities.
ENV PATH=/opt/aiops/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt \
    AIOPS_HOME=/var/lib/aiops
RUN groupadd --gid 10001 aiops \
 && useradd --uid 10001 --gid 10001 --home-dir /var/lib/aiops --shell /usr/sbin/nologin aiops \
 && install -d -o 10001 -g 0 -m 0770 /var/lib/aiops
COPY --from=build /opt/aiops /opt/aiops
USER 10001:0
WORKDIR /var/lib/aiops
VOLUME /var/lib/aiops
EXPOSE 8080
HEALTHCHECK --interval=15s --timeout=3s --start-period=20s \
  CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8080/health', timeout=2)"]
# Binding beyond loopback needs AIOPS_API_TOKENS; without it the server says so and stops.
ENTRYPOINT ["aiops"]
CMD ["serve", "--host", "0.0.0.0", "--port", "8080"]
