// The example of README.md; `make test-types` compiles it.
import createClient from "openapi-fetch";
import type { components, paths } from "./api.d.ts";

type Json = "application/json" | "application/problem+json"; // reports are also files
export type Report = components["schemas"]["Report"];
export type Line = components["schemas"]["Line"];

export async function dueOf(baseUrl: string, key: string, customer: string): Promise<string> {
    const headers = { Authorization: `Bearer ${key}` };
    const api = createClient<paths, Json>({ baseUrl, headers });
    const { data, error } = await api.GET("/billing/reports/{customer_id}/{period}", {
        params: { path: { customer_id: customer, period: "2024-04" } },
    });
    if (error) {
        throw new Error(`${error.title}: ${error.detail}`);
    }
    return data.due;
}
