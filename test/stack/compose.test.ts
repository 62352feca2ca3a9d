// docker-compose.yml where no Docker runs: it is what the Compose Specification allows, has every service in the order of
// the pipeline, and names the versions that the stack without Docker runs.

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Ajv2020 } from "ajv/dist/2020.js";
import t from "tap";
import { parse } from "yaml";

import { kafkaVersion, registryVersion } from "../../libs/stack/artifacts.ts";
import { stackServices } from "../../libs/stack/stack.ts";

type Service = {
  readonly image?: string;
  readonly entrypoint?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>;
  readonly healthcheck?: { readonly test?: readonly string[]; readonly disable?: boolean };
};
type Compose = { readonly services: Readonly<Record<string, Service>>; readonly volumes: object };

const root = join(import.meta.dirname, "..", "..");
const text = readFileSync(join(root, "docker-compose.yml"), "utf8");
const read = (): Compose => parse(text, { merge: true });

const schema: object = JSON.parse(readFileSync(join(import.meta.dirname, "compose-spec.json"), "utf8"));
const isCompose = new Ajv2020({ strict: false, validateFormats: false }).compile(schema);

t.test("the file is what the Compose Specification allows", async (t) => {
  t.ok(isCompose(read()), JSON.stringify(isCompose.errors));
  const { services } = read();
  t.notOk(isCompose({ services: { ...services, diff: { ...services["diff"], imagge: "x" } } }), "a slip is caught");
  t.notOk(isCompose({ services: { kafka: { image: "a", healthcheck: { interval: 5 } } } }), "a wrong type is caught");
});

t.test("every service is there once, in the order of the pipeline, and starts by a file that exists", async (t) => {
  const { services } = read();
  const folders = readdirSync(join(root, "services")).filter((name) =>
    existsSync(join(root, "services", name, "main.ts")),
  );
  t.strictSame(Object.keys(services), ["kafka", "registry", "postgres", "topics", ...stackServices]);
  t.strictSame(folders.toSorted(), stackServices.toSorted());
  for (const name of stackServices) {
    t.strictSame(services[name]?.entrypoint, ["node", `services/${name}/main.ts`]);
    t.equal(services[name]?.depends_on?.["topics"]?.condition, "service_completed_successfully", name);
    t.match(services[name]?.environment, { DATABASE_URL: /^postgres:/u, KAFKA_BROKERS: "kafka:19092" }, name);
  }
});

t.test("every image is pinned, to the versions that run without Docker", async (t) => {
  const { services } = read();
  for (const [name, { image = "" }] of Object.entries(services)) t.match(image, /^[^:]+:(?!latest$).+/u, name);
  t.equal(services["kafka"]?.image, `apache/kafka:${kafkaVersion}`);
  t.equal(services["registry"]?.image, `apicurio/apicurio-registry-sql:${registryVersion}`);
  t.match(readFileSync(join(root, "libs/stack/pom.xml"), "utf8"), `<kafka.version>${kafkaVersion}<`);
});

t.test("whatever stays up is asked how it is, and nobody starts before what it needs is well", async (t) => {
  for (const [name, { healthcheck, depends_on: needs = {} }] of Object.entries(read().services)) {
    if (name !== "topics") t.ok((healthcheck?.test?.length ?? 0) > 1, `${name} has a health check`);
    for (const [needed, { condition }] of Object.entries(needs))
      t.equal(
        condition,
        needed === "topics" ? "service_completed_successfully" : "service_healthy",
        `${name}: ${needed}`,
      );
  }
});
