/**
 * Where rules come from, and reading them.
 *
 * Guarantees: all files are read and every file's error is reported; if there is one, there are no rules at all. Nothing is ever
 * read from the workspace: only from what a flag names or from the user's own folder (design.md rule 6).
 */
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { RulesError, RulesLoadError } from "./errors.ts";
import { errorCode } from "./files.ts";
import { isRememberedLine } from "./remembered-line.ts";
import { RuleSet } from "./rule-set.ts";

export interface RulePlaces {
  /** What `--rules` named; an empty list means the default place. */
  readonly named: readonly string[];
  /** HOME; empty or relative counts as unset. */
  readonly home: string | undefined;
  /** XDG_CONFIG_HOME; empty or relative counts as unset (XDG Base Directory Specification). */
  readonly configHome: string | undefined;
}

export interface LoadedRules {
  readonly rules: RuleSet;
  /** The files that were read, in order. */
  readonly files: readonly string[];
}

/** The user's own folder for rules, or `undefined` where there is no home. */
export function defaultRulesFolder(places: Pick<RulePlaces, "home" | "configHome">): string | undefined {
  if (places.configHome?.startsWith("/")) return join(places.configHome, "execgate", "rules");
  if (places.home?.startsWith("/")) return join(places.home, ".config", "execgate", "rules");
  return undefined;
}

/** The file that "always" appends to, whether or not it is among the rules loaded. */
export function rememberedFile(places: Pick<RulePlaces, "home" | "configHome">): string | undefined {
  const folder = defaultRulesFolder(places);
  return folder === undefined ? undefined : join(folder, "default.rules");
}

/** Reads every rules file. @throws {RulesLoadError} with the errors of all files. */
export function loadRules(places: RulePlaces): LoadedRules {
  const errors: RulesError[] = [];
  const rules = new RuleSet();
  const files = findFiles(places, errors);
  if (files.length > 0) addFiles(rules, files, places, errors);
  if (errors.length > 0) throw new RulesLoadError(errors);
  return { rules, files };
}

/** Loaded once there is something to parse: its tables take as long as Bun's start, which a server without rules need not wait for. */
const parser = () => require("./parse-rules.ts") as typeof import("./parse-rules.ts");

function addFiles(rules: RuleSet, files: readonly string[], places: RulePlaces, errors: RulesError[]): void {
  const { parseRules } = parser();
  const remembered = rememberedFile(places);
  for (const file of files) {
    try {
      const isRemembered = file === remembered ? isRememberedLine : undefined;
      rules.addAll(parseRules(file, readText(file), { home: places.home, earlier: rules, isRemembered }));
    } catch (error) {
      if (!(error instanceof RulesError)) throw error;
      errors.push(error);
    }
  }
}

function findFiles(places: RulePlaces, errors: RulesError[]): string[] {
  if (places.named.length === 0) {
    const folder = defaultRulesFolder(places);
    return folder === undefined ? [] : listFolder(folder, true, errors);
  }
  return places.named.flatMap((path) => {
    try {
      return statSync(path).isDirectory() ? listFolder(path, false, errors) : [path];
    } catch (error) {
      errors.push(readError(path, error));
      return [];
    }
  });
}

/** The `*.rules` of a folder, sorted by name; subfolders are not looked into. */
function listFolder(folder: string, mayBeMissing: boolean, errors: RulesError[]): string[] {
  try {
    const names = readdirSync(folder, { withFileTypes: true })
      .filter((entry) => entry.name.endsWith(".rules") && !entry.isDirectory())
      .map((entry) => entry.name);
    return names.sort((a, b) => (a < b ? -1 : a > b ? 1 : 0)).map((name) => join(folder, name));
  } catch (error) {
    if (!(mayBeMissing && errorCode(error) === "ENOENT")) errors.push(readError(folder, error));
    return [];
  }
}

function readText(file: string): string {
  let bytes: Uint8Array;
  try {
    if (!statSync(file).isFile()) throw new RulesError("unreadable", "this is not a file", { file });
    bytes = readFileSync(file);
  } catch (error) {
    throw error instanceof RulesError ? error : readError(file, error);
  }
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (error) {
    throw new RulesError("syntax", "this file is not UTF-8 text", { file }, { cause: error });
  }
}

function readError(file: string, error: unknown): RulesError {
  const code = errorCode(error);
  if (code === "ENOENT") return new RulesError("missing", "there is no such file or folder", { file }, { cause: error });
  return new RulesError("unreadable", `cannot be read (${code})`, { file }, { cause: error });
}

/** What {@link inspectRules} says of one file. */
export interface InspectedFile {
  readonly path: string;
  readonly rules: number;
  /** Why it could not be read. */
  readonly error?: string | undefined;
}

/** Each rules file by itself, readable or not; for showing. */
export function inspectRules(places: RulePlaces): InspectedFile[] {
  const errors: RulesError[] = [];
  const inspected = findFiles(places, errors).map((path) => {
    try {
      return { path, rules: parser().parseRules(path, readText(path), { home: places.home }).size };
    } catch (error) {
      if (!(error instanceof RulesError)) throw error;
      return { path, rules: 0, error: error.message };
    }
  });
  return [...inspected, ...errors.map((error) => ({ path: error.file, rules: 0, error: error.message }))];
}
