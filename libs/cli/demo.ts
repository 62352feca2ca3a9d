import { Command } from "commander";
export function demoVerb(): Command {
  return new Command("demo");
}
