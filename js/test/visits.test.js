import assert from "node:assert/strict";
import { test } from "node:test";
import { JSDOM } from "jsdom";

const { window } = new JSDOM("<!doctype html><main></main>", { url: "https://shop.example/records/1", pretendToBeVisual: true });
