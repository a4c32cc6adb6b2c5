const cues = [{ at: 12.5, light: "blue" }, { at: 40, light: "red" }];

export function next(now) {
  return cues.find((cue) => cue.at > now) ?? null;
}

export const last = () => cues.at(-1);
