-- One line that the benchmark reads; times in microseconds.
function done(summary, latency)
  local e = summary.errors
  io.write(string.format("figures %d %d %d %d %d %d %d %d %d %d\n",
    summary.requests, summary.duration, summary.bytes, latency:percentile(50), latency:percentile(99),
    e.connect, e.read, e.write, e.timeout, e.status))
end
