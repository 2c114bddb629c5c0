/** What every class with metrics takes beside its own options. */
export interface Measured {
  /**
   * The label `name` of this instance's metrics. Instances of one name share their series.
   * @default the class and a number, such as `RateLimiter-1`; the service's name of a tracer, the name of a breaker
   */
  name?: string;
  /** `false` keeps the instance out of the metrics. @default true */
  metrics?: boolean;
}
