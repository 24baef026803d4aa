import { describe, expect, test } from "vitest";
import { clockDuration, exactDuration, relativeTime } from "./relative-time.ts";

const NOW = Date.UTC(2026, 0, 2);

describe("relative time", () => {
  test("a moment ago and the future both read as just now", () => {
    expect(relativeTime(NOW - 2_000, NOW)).toBe("just now");
    expect(relativeTime(NOW + 60_000, NOW)).toBe("just now");
  });

  test("the largest whole unit is shown", () => {
    expect(relativeTime(NOW - 12_000, NOW)).toBe("12 s ago");
    expect(relativeTime(NOW - 3_599_000, NOW)).toBe("59 min ago");
    expect(relativeTime(NOW - 26 * 3_600_000, NOW)).toBe("1 d ago");
  });
});

describe("durations", () => {
  test("a short run is told precisely and a long one coarsely", () => {
    expect(exactDuration(0.084)).toBe("84 ms");
    expect(exactDuration(2.44)).toBe("2.4 s");
    expect(exactDuration(59.7)).toBe("1 min 00 s");
    expect(exactDuration(7_380)).toBe("2 h 03 min");
  });

  test("a running clock keeps two digits for the seconds", () => {
    expect(clockDuration(7)).toBe("0:07");
    expect(clockDuration(760)).toBe("12:40");
    expect(clockDuration(3_723)).toBe("1:02:03");
  });
});
