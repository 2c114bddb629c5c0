-- Questions about buckets, answered in one step. The same arithmetic as src/limit/bucket.rs, on this server's clock.
--
-- KEYS: one bucket each. ARGV: the refill interval in ms; then for each key its limit, its tokens a second, the number
-- of questions, and each question: a letter, a number and, for "t" and "p", how many times, for "v" how many ms.
-- A bucket is three doubles (tokens, the tick they were settled at, blocked until), and two more (limit, tokens a
-- second) when it was given its own. Answers: the time; for each key tokens, limit, tokens a second, blocked until, an
-- answer each.
local time = redis.call('TIME')
local now = time[1] * 1000 + time[2] / 1000
local interval = tonumber(ARGV[1])
local tick = math.floor(now / interval)
local at, out = 2, { string.format('%.3f', now) }
local floor, min, max = math.floor, math.min, math.max
local SLACK = 1e-9

for index = 1, #KEYS do
  local key = KEYS[index]
  local limit, rate, questions = tonumber(ARGV[at]), tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2])
  at = at + 3
  local tokens, settled, blocked, own = limit, tick, 0, false
  local state = redis.call('GET', key)
  if state then
    tokens, settled, blocked = struct.unpack('<ddd', state)
    if #state > 24 then
      limit, rate = struct.unpack('<dd', state, 25)
      own = true
    end
  end
  local step = rate * interval / 1000
  if tick > settled then
    tokens = min(tokens + (tick - settled) * step, limit)
    settled = tick
  end
  if blocked <= now then blocked = 0 end

  local place, changed, turned_away = #out + 4, false, false
  for question = 1, questions do
    local kind, value, answer = ARGV[at], tonumber(ARGV[at + 1]), 0
    at = at + 2
    if kind == 't' or kind == 'p' then
      -- Take, as many times as it pays for: in turn ("t": nobody after one who was turned away), or each by itself.
      local times = tonumber(ARGV[at])
      at = at + 1
      if blocked == 0 and not (turned_away and kind == 't') and tokens + SLACK >= value then
        answer = value > 0 and min(times, floor((tokens + SLACK) / value)) or times
        tokens = max(tokens - answer * value, 0)
        changed = changed or answer * value > 0
      end
      if kind == 't' and answer < times then turned_away = true end
    elseif kind == 'l' then
      -- A lease: what there is, in whole tokens.
      if blocked == 0 then
        answer = max(min(value, tokens), 0)
        if value >= 1 then answer = floor(answer + SLACK) elseif answer < value then answer = 0 end
        tokens = tokens - answer
        changed = changed or answer > 0
      end
    elseif kind == 'v' then
      -- For a time to come: into debt, unless the refills have paid for it too late.
      local most, wait = tonumber(ARGV[at]), 0
      at = at + 1
      if tokens + SLACK < value then
        wait = step > 0 and max((settled + math.ceil((value - tokens - SLACK) / step)) * interval - now, 0) or math.huge
      end
      if blocked > 0 then wait = max(wait, blocked - now) end
      wait = math.ceil(wait)
      if value > max(limit, tokens) + SLACK then answer = -2
      elseif wait > most then answer = -1
      else
        answer, tokens, changed = wait, tokens - value, changed or value > 0
      end
    elseif kind ~= 'q' then
      changed = true
      if kind == 'd' then tokens = tokens - value
      elseif kind == 'g' then tokens = max(tokens, min(tokens + value, limit))
      elseif kind == 'r' then tokens = max(tokens - value, min(tokens, 0))
      elseif kind == 'f' then tokens, blocked = limit, 0
      elseif kind == 'b' then blocked = value > 0 and now + value or 0
      elseif kind == 'm' then limit, tokens, own = value, value, true
      elseif kind == 'a' then rate, step, own = value, value * interval / 1000, true
      end
    end
    out[place + question] = answer
  end
  out[place - 3], out[place - 2], out[place - 1], out[place] = tokens, limit, rate, blocked

  if changed then
    if own then
      redis.call('SET', key, struct.pack('<ddddd', tokens, settled, blocked, limit, rate))
    elseif blocked == 0 and tokens >= limit then
      redis.call('DEL', key)
    else
      -- Forgotten when it is full, which is what a bucket is that nobody knows. No longer than thirty years.
      local full = (settled + math.ceil((limit - tokens) / step)) * interval - now
      local lasts = min(max(full, blocked - now, 0) + 1, 1e12)
      redis.call('SET', key, struct.pack('<ddd', tokens, settled, blocked), 'PX', math.ceil(lasts))
    end
  end
end
return table.concat(out, ' ')
