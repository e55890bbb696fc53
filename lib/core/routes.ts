import type { Expression } from './expression.ts';
import { type FindingKind, findingKinds } from './report.ts';
import { type RuleSeverity, ruleSeverities } from './severity.ts';
import { causes } from './told.ts';

/** Routes in order: the first whose condition holds takes it, and later ones only when it says so. */
export type RouteTable = readonly Route[];

export interface Route {
  /** Absent: everything. The last route has none. */
  readonly when: Expression | undefined;
  readonly receivers: readonly string[];
  /** Look at the routes after it too. */
  readonly continues: boolean;
}

/** What a route may ask of an alert, and of why it is told. `rule` is empty for a cluster that cannot be judged. */
export const routeFields = {
  severity: ruleSeverities,
  cluster: 'string',
  source: 'string',
  rule: 'string',
  on: findingKinds,
  transition: causes,
} as const;

export interface Routed {
  readonly severity: RuleSeverity;
  /** Its name. */
  readonly cluster: string;
  readonly source: string;
  readonly rule: string;
  readonly on: FindingKind;
  readonly transition: string;
}

/** The places, from 0, of the routes that take an alert. */
export function routesOf(routes: RouteTable, alert: Routed): readonly number[] {
  const places: number[] = [];
  for (const [place, { when, continues }] of routes.entries()) {
    if (when !== undefined && when.test({ ...alert }) !== true) continue;
    places.push(place);
    if (!continues) break;
  }
  return places;
}

/** The receivers to which an alert is routed. */
export function receiversOf(routes: RouteTable, alert: Routed): ReadonlySet<string> {
  return new Set(routesOf(routes, alert).flatMap((place) => routes[place]?.receivers ?? []));
}
