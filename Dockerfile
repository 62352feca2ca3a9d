# The services in one image: the sources as they are, since Node runs them without a build. Every service is a process of its
# own, `node services/<name>/main.ts`; the entry point is the command line, whose `up` runs all of them in one process.
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
