/** Where rules come from, and what is written there. */
import { describe, expect, test } from "bun:test";
import { chmodSync, lstatSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { RulesError, RulesLoadError } from "../../src/policy/errors.ts";
import { inspectRules, loadRules, rememberedFiles } from "../../src/policy/load.ts";
import { parseRules } from "../../src/policy/parse-rules.ts";
import { RememberError, rememberCommand, rememberPrefix } from "../../src/policy/remember.ts";
import { STARTER_RULES, writeStarter } from "../../src/policy/starter.ts";
import { temporaryFolder } from "../support/temporary.ts";

function errorsOf(load: () => unknown): RulesLoadError {
  try {
    load();
  } catch (error) {
    if (error instanceof RulesLoadError) return error;
    throw error;
  }
  throw new Error("no error");
}

describe("loading", () => {
  test("the default place: *.rules, sorted, not recursive; XDG_CONFIG_HOME before ~/.config; none is empty", () => {
    const home = temporaryFolder();
    const folder = join(home, ".config/execgate/rules");
    expect(loadRules({ named: [], home, configHome: undefined }).rules.size).toBe(0);
    mkdirSync(join(folder, "sub.rules"), { recursive: true });
    writeFileSync(join(folder, "b.rules"), 'prefix_rule(["b"])');
    writeFileSync(join(folder, "a.rules"), 'prefix_rule(["a"])');
    writeFileSync(join(folder, "notes.txt"), "(");
    writeFileSync(join(folder, "sub.rules/c.rules"), "(");
    expect(loadRules({ named: [], home, configHome: undefined }).files).toEqual([join(folder, "a.rules"), join(folder, "b.rules")]);
    expect(loadRules({ named: [], home, configHome: "relative" }).files).toHaveLength(2);
    expect(loadRules({ named: [], home, configHome: join(home, "other") }).files).toEqual([]);
  });

  test("--rules replaces the default place, takes files and folders, and is an error where there is none", () => {
    const home = temporaryFolder();
    writeFileSync(join(home, "x.rules"), 'prefix_rule(["a"])');
    writeFileSync(join(home, "y"), 'prefix_rule(["b"])');
    expect(loadRules({ named: [home, join(home, "y")], home, configHome: undefined }).rules.size).toBe(2);
    const error = errorsOf(() => loadRules({ named: [join(home, "none")], home, configHome: undefined }));
    expect(error.errors.map(({ code, file }) => [code, file])).toEqual([["missing", join(home, "none")]]);
  });

  test("every bad file is named, and one bad file means no rules at all", () => {
    const home = temporaryFolder();
    writeFileSync(join(home, "1.rules"), "nope()");
    writeFileSync(join(home, "2.rules"), 'prefix_rule(["fine"])');
    writeFileSync(join(home, "3.rules"), "x = (");
    writeFileSync(join(home, "4.rules"), Buffer.from([0x23, 0xff]));
    const error = errorsOf(() => loadRules({ named: [home], home, configHome: undefined }));
    expect(error.errors.map((one) => one.file)).toEqual(["1.rules", "3.rules", "4.rules"].map((name) => join(home, name)));
    expect(error.message).toContain("1.rules:1:1");
  });

  test("what is shown of the files is what loading makes of them, earlier files' host_executables and network rules included", () => {
    const home = temporaryFolder();
    const places = { named: [home], home, configHome: undefined };
    writeFileSync(join(home, "1.rules"), 'host_executable("ls", ["/usr/bin/ls"])\nnetwork_rule("a.example", "https", "allow")');
    writeFileSync(join(home, "2.rules"), 'prefix_rule(["ls"], not_match=["/bin/ls"])');
    expect(loadRules(places).rules.size).toBe(1);
    expect(inspectRules(places)).toEqual([
      { path: join(home, "1.rules"), rules: 0, networkRules: 1 },
      { path: join(home, "2.rules"), rules: 1, networkRules: 0 },
    ]);
    writeFileSync(join(home, "3.rules"), 'prefix_rule(["ls"], match=["/bin/ls"])');
    expect(inspectRules(places)[2]?.error).toBe(errorsOf(() => loadRules(places)).errors[0]?.message);
  });

  test.skipIf(process.geteuid?.() === 0)("a folder that cannot be read is an error", () => {
    const home = temporaryFolder();
    mkdirSync(join(home, "execgate/rules"), { recursive: true });
    chmodSync(join(home, "execgate/rules"), 0);
    expect(errorsOf(() => loadRules({ named: [], home, configHome: home })).errors[0]?.code).toBe("unreadable");
  });
});

describe("remembering", () => {
  const places = (home: string) => ({ named: [], home, configHome: undefined });

  test("appends the line, makes the folder 0700, writes no duplicate, mends a missing line break, survives a restart", async () => {
    const home = temporaryFolder();
    const file = rememberedFiles(places(home))?.rules ?? "";
    await rememberPrefix(file, ["/usr/bin/gh", "pr"]);
    expect(readFileSync(file, "utf8")).toBe('prefix_rule(pattern=["/usr/bin/gh", "pr"], decision="allow")\n');
    expect(statSync(join(home, ".config/execgate/rules")).mode & 0o777).toBe(0o700);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    await rememberPrefix(file, ["/usr/bin/gh", "pr"]);
    writeFileSync(file, `# mine\n${readFileSync(file, "utf8").trimEnd()}`);
    const rule = await rememberPrefix(file, ["/bin/x", 'a"\n\u202e\\']);
    expect(readFileSync(file, "utf8").split("\n")).toHaveLength(4);
    expect(rule.place.line).toBe(3);
    const { rules } = loadRules(places(home));
    expect(rules.match(["/usr/bin/gh", "pr", "x"], { basenames: true })[0]?.rule).toMatchObject({ decision: "allow", remembered: true });
    expect(rules.match(["/bin/x", 'a"\n\u202e\\'], { basenames: true })[0]?.rule.remembered).toBe(true);
    expect(readdirSync(join(home, ".config/execgate/rules"))).toEqual(["default.rules"]);
  });

  test("a whole command is a line of JSON, read again where no flag names the rules; a broken line is an error that names it", async () => {
    const home = temporaryFolder();
    const file = rememberedFiles(places(home))?.commands ?? "";
    const command = ["/usr/bin/git", "push", 'a"\n\u202e\\'];
    await rememberCommand(file, command);
    expect(await rememberCommand(file, command)).toEqual({ tokens: command, file, line: 1 });
    writeFileSync(join(home, ".config/execgate/rules/mine.rules"), 'prefix_rule(["git"], "prompt")');
    expect(loadRules(places(home)).commands.find(command)).toEqual({ tokens: command, file, line: 1 });
    expect(loadRules(places(home)).commands.find(command.slice(0, 2))).toBeUndefined();
    expect(loadRules({ ...places(home), named: [join(home, ".config/execgate/rules")] }).commands.size).toBe(0);
    for (const broken of ['["git", "push"]', "git push", "{}", "[]", '["/bin/a", 1]']) {
      writeFileSync(file, `# mine\n\n${broken}\n`);
      expect(errorsOf(() => loadRules(places(home))).message).toStartWith(`${file}:3:1: `);
      expect(inspectRules(places(home))[1]?.error).toStartWith(`${file}:3:1: `);
    }
    expect(rememberCommand(file, ["/bin/a", "\udcff"])).rejects.toBeInstanceOf(RememberError);
  });

  test("many at once lose nothing, and a lock left by a dead process is taken", async () => {
    const file = join(temporaryFolder(), "default.rules");
    writeFileSync(`${file}.lock`, "999999999");
    await Promise.all(Array.from({ length: 20 }, (_, i) => rememberPrefix(file, [`/bin/p${i}`])));
    expect(parseRules(file, readFileSync(file, "utf8")).size).toBe(20);
  });

  test("a default.rules that is a link stays one", async () => {
    const folder = temporaryFolder();
    mkdirSync(join(folder, "dotfiles"));
    for (const target of ["dotfiles/there", "dotfiles/new"]) {
      const file = join(folder, `${target.slice(9)}.rules`);
      if (target.endsWith("there")) writeFileSync(join(folder, target), "# kept\n");
      symlinkSync(target, file);
      await rememberPrefix(file, ["/bin/a"]);
      expect(lstatSync(file).isSymbolicLink()).toBe(true);
      expect(readFileSync(join(folder, target), "utf8")).toEndWith('prefix_rule(pattern=["/bin/a"], decision="allow")\n');
    }
  });

  test("what a rules file cannot hold is refused", async () => {
    const file = join(temporaryFolder(), "default.rules");
    expect(rememberPrefix(file, ["/bin/a", "\udcff"])).rejects.toBeInstanceOf(RememberError);
    expect(rememberPrefix("/proc/none/default.rules", ["/bin/a"])).rejects.toBeInstanceOf(RememberError);
  });
});

describe("policy init", () => {
  test("writes a file that loads, and never over one or through a link", () => {
    const folder = temporaryFolder();
    const file = join(folder, "execgate/rules/starter.rules");
    writeStarter(file);
    const rules = parseRules(file, readFileSync(file, "utf8"));
    const says = (...command: string[]) => rules.match(command, { basenames: true }).map(({ rule }) => rule.decision);
    expect(says("git", "push", "origin")).toEqual(["prompt"]);
    expect(says("gh", "pr", "view")).toEqual(["allow"]);
    expect(says("git", "status")).toEqual([]);
    expect(() => writeStarter(file)).toThrow(RulesError);
    symlinkSync("nowhere", join(folder, "link.rules"));
    expect(() => writeStarter(join(folder, "link.rules"))).toThrow("there already");
    expect(STARTER_RULES.split("\n").every((line) => line.length <= 180)).toBe(true);
  });
});
