# The services in one image: the sources as they are, since Node runs them without a build.
# The server is that of DATABASE_URL, so the embedded PostgreSQL, an optional dependency, stays out.
FROM node:24.21.0-bookworm-slim

WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev --omit=optional && mkdir .rollcall .tools && chown node:node .rollcall .tools
COPY bin bin
COPY libs libs
COPY migrations migrations
COPY schemas schemas
COPY services services

USER node
ENTRYPOINT ["bin/rollcall"]
CMD ["up"]
