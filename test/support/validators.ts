import { readFileSync } from 'node:fs';
import { Ajv } from 'ajv';
import { Ajv2020 } from 'ajv/dist/2020.js';
import ajvFormats from 'ajv-formats';
import { validateXML } from 'xmllint-wasm';

type Problems = (document: unknown) => readonly string[];

const folder = new URL('../fixtures/schemas/', import.meta.url);

function schemaOf(file: string) {
  return JSON.parse(readFileSync(new URL(file, folder), 'utf8'));
}

function validator(ajv: Ajv, file: string): Problems {
  ajvFormats.default(ajv);
  const validate = ajv.compile(schemaOf(file));
  return (document) =>
    validate(document) ? [] : (validate.errors ?? []).map(({ instancePath, message }) => `${instancePath} ${message}`);
}

// The schemas are as others wrote them: they have keywords that a strict Ajv refuses.
export const sarifProblems = validator(new Ajv2020({ strict: false, allErrors: true }), 'sarif-schema-2.1.0.json');

export const gitlabContainerProblems = validator(
  new Ajv({ strict: false, allErrors: true }),
  'gitlab-container-scanning-15.2.1.json',
);

/** Of one issue. */
export const gitlabIssueProblems = validator(new Ajv({ strict: false, allErrors: true }), 'gitlab-codeclimate.json');

/** By libxml2, against what Jenkins accepts. All documents at once: each call starts a machine. */
export async function junitProblems(...documents: readonly string[]): Promise<readonly string[]> {
  const { errors } = await validateXML({
    xml: documents.map((contents, i) => ({ fileName: `${i}.xml`, contents })),
    schema: readFileSync(new URL('junit-10.xsd', folder), 'utf8'),
    maxMemoryPages: 16_384,
  });
  return errors.map(({ rawMessage }) => rawMessage);
}
