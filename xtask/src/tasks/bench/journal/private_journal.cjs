// A search of private-journal's own among files of its own kind: node private_journal.cjs DIST FOLDER. No model is asked: a
// vector is made of a text's words, in no time, as long as its model's, and scaled as that is. Prints milliseconds, a line each.
const fs = require("node:fs");
const path = require("node:path");
// The library of its model is left out, since no model is asked.
const Module = require("node:module");
const load = Module._load;
Module._load = (name, ...rest) => (name === "@xenova/transformers" ? {} : load(name, ...rest));
const { EmbeddingService } = require(path.resolve(process.argv[2], "embeddings.js"));
const { SearchService } = require(path.resolve(process.argv[2], "search.js"));

const LENGTH = 384;
function vector(text) {
  const sums = new Array(LENGTH).fill(0);
  for (const word of text.toLowerCase().split(/[^a-z0-9:.-]+/)) {
    let hash = 2166136261;
    for (const letter of word) hash = Math.imul(hash ^ letter.charCodeAt(0), 16777619) >>> 0;
    sums[hash % LENGTH] += 1;
  }
  const length = Math.hypot(...sums) || 1;
  return sums.map((sum) => sum / length);
}

(async () => {
  const folder = process.argv[3];
  const service = EmbeddingService.getInstance();
  service.generateEmbedding = async (text) => vector(text);
  for (const day of fs.readdirSync(folder).filter((name) => /^\d{4}-\d{2}-\d{2}$/.test(name))) {
    for (const name of fs.readdirSync(path.join(folder, day)).filter((name) => name.endsWith(".md"))) {
      const file = path.join(folder, day, name);
      if (fs.existsSync(file.replace(/\.md$/, ".embedding"))) continue;
      const { text, sections } = service.extractSearchableText(fs.readFileSync(file, "utf8"));
      await service.saveEmbedding(file, { embedding: vector(text), text, sections, timestamp: 0, path: file });
    }
  }
  const search = new SearchService(folder, path.join(folder, "nobody"));
  for (const question of fs.readFileSync(path.join(folder, "questions"), "utf8").trim().split("\n")) {
    const begun = process.hrtime.bigint();
    const found = await search.search(question, { limit: 10 });
    const took = Number(process.hrtime.bigint() - begun) / 1e6;
    if (!Array.isArray(found)) throw new Error("no list");
    console.log(took);
  }
})();
