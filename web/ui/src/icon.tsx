/** The icons of every page: 16 px strokes, drawn in the colour of the text around them. */

const PATHS = {
  add: "M8 3v10M3 8h10",
  archive: "M2.5 3.5h11v3h-11zM3.5 6.5v6h9v-6M6.5 9h3",
  arrowLeft: "M13 8H3m4-4L3 8l4 4",
  check: "m3 8.5 3.2 3L13 4.5",
  chevronDown: "m4 6 4 4 4-4",
  chevronRight: "m6 4 4 4-4 4",
  close: "m4 4 8 8m0-8-8 8",
  conflict: "M8 2.5 14 13H2zM8 6.5v3M8 11.3v.2",
  copy: "M5.5 5.5h8v8h-8zM3 10.5h-.5v-8h8V3",
  download: "M8 2.5v8m-3.5-3L8 11l3.5-3.5M3 13.5h10",
  file: "M4 2h5l3 3v9H4zM9 2v3h3",
  fileAdd: "M4 2h5l3 3v3M9 2v3h3M4 2v12h3m4.5-4v5m-2.5-2.5h5",
  folder: "M1.5 4V3h4.2l1.5 1.8h7.3V13h-13z",
  folderAdd: "M8 13H1.5V3h4.2l1.5 1.8h7.3v3.4M11.8 10v5M9.3 12.5h5",
  help: "M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12zM6.2 6.3A1.9 1.9 0 1 1 8.6 8c-.5.2-.6.5-.6 1M8 11.2v.1",
  key: "M1.5 4h13v8h-13zM4 6.8h.1M6.7 6.8h.1M9.3 6.8h.1M12 6.8h.1M5 9.5h6",
  menu: "M2.5 4.5h11m-11 3.5h11m-11 3.5h11",
  more: "M3.5 8h.1M8 8h.1m4.4 0h.1",
  moon: "M13 9.6A5.5 5.5 0 0 1 6.4 3 5.5 5.5 0 1 0 13 9.6z",
  pencil: "m3 13 .6-2.8L10.8 3l2.2 2.2-7.2 7.2zM9.5 4.3l2.2 2.2",
  refresh: "M13 4v3h-3M3 12V9h3M12.4 7A4.7 4.7 0 0 0 4 5.6M3.6 9A4.7 4.7 0 0 0 12 10.4",
  save: "M2.5 2.5h9l2 2v9h-11zM5 2.5V6h5V2.5M5 13.5v-4h6v4",
  search: "M7 12A5 5 0 1 0 7 2a5 5 0 0 0 0 10zm3.5-1.5L14 14",
  share:
    "M6 9.8a3 3 0 0 1 0-4.2L8 3.6a3 3 0 0 1 4.3 4.2l-1 1M10 6.2a3 3 0 0 1 0 4.2l-2 2a3 3 0 0 1-4.3-4.2l1-1",
  shield: "M8 2 13 4v4c0 3-2 5-5 6-3-1-5-3-5-6V4z",
  stop: "M4 4h8v8H4z",
  sun: "M8 10.7a2.7 2.7 0 1 0 0-5.4 2.7 2.7 0 0 0 0 5.4zM8 1.5v1.3m0 10.4v1.3M1.5 8h1.3m10.4 0h1.3M3.4 3.4l.9.9m7.4 7.4.9.9m0-9.2-.9.9m-7.4 7.4-.9.9",
  system: "M2 3h12v8H2zM6 13.5h4M8 11v2.5",
  terminal: "m3 4.5 3.5 3.5L3 11.5M8 12h5",
  trash: "M3 4.5h10M6.5 4V2.5h3V4M4.3 4.5l.6 9h6.2l.6-9M6.7 7v4m2.6-4v4",
  undo: "M5.5 3 2.5 6l3 3M2.8 6h6.7a3.5 3.5 0 0 1 0 7H6",
  upload: "M8 11V3M4.5 6.2 8 2.7l3.5 3.5M3 13.5h10",
} as const;

export type IconName = keyof typeof PATHS;

/** A decorative icon; the control around it carries the words. */
export function Icon({ name }: { name: IconName }) {
  const isDotted = name === "more" || name === "key";
  return (
    <svg class={isDotted ? "icon icon-dotted" : "icon"} viewBox="0 0 16 16" aria-hidden="true">
      <path d={PATHS[name]} />
    </svg>
  );
}
