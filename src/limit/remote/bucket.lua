-- Questions about buckets, answered in one step. The same arithmetic as src/limit/bucket.rs, on this server's clock.
--
-- KEYS: one bucket each. ARGV: one string of doubles, because a word of its own for each number costs more than all
-- the arithmetic: the refill interval in ms; then for each key its limit, its tokens a second, the number of questions,
-- and each question: its code, a value, and for TAKE and PROBE how many times, for RESERVE how many ms at most. A bucket
-- is three doubles (tokens, the tick they were settled at, blocked until), and two more (limit, tokens a second) when it
-- was given its own. Answers, as doubles: the time; for each key tokens, limit, tokens a second, blocked until, an
-- answer each.
local TAKE, PROBE, LEASE, RESERVE, LOOK, DEBIT, GIVE, REMOVE, FILL, BLOCK, LIMIT = 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11
local SLACK = 1e-9
-- Doubles that are read or written at once: there may be more than Lua's stack holds.
local MOST = 1000
local call, pack, unpack_doubles = redis.call, struct.pack, struct.unpack
local floor, ceil, min, max = math.floor, math.ceil, math.min, math.max

local text, asked = ARGV[1], nil
if #text == 56 then
  -- One question about one bucket is what is asked most, and a format that is made up costs more than its use.
  asked = { unpack_doubles('<ddddddd', text) }
else
  asked = {}
  for from = 1, #text, MOST * 8 do
    local count = min(#text - from + 1, MOST * 8) / 8
    local some = { unpack_doubles('<' .. string.rep('d', count), text, from) }
    if from == 1 and #text <= MOST * 8 then
      asked = some
    else
      for index = 1, count do asked[#asked + 1] = some[index] end
    end
  end
end

local time = call('TIME')
local now = time[1] * 1000 + time[2] / 1000
local interval = asked[1]
local tick = floor(now / interval)
-- With room for one answer: a table that grows is filled anew each time.
local at, out, place = 2, { now, 0, 0, 0, 0, 0 }, 1
local states = #KEYS > 1 and call('MGET', unpack(KEYS)) or {}
-- A key may be asked about again.
local known = {}

for index = 1, #KEYS do
  local key = KEYS[index]
  local limit, rate, questions = asked[at], asked[at + 1], asked[at + 2]
  at = at + 3
  local tokens, settled, blocked, own = limit, tick, 0, false
  -- MGET passes over what is no string; GET says so, before it would be written over.
  local state = known[key] or states[index] or call('GET', key)
  if state and state ~= '' then
    tokens, settled, blocked = unpack_doubles('<ddd', state)
    if #state > 24 then
      limit, rate = unpack_doubles('<dd', state, 25)
      own = true
    end
  end
  local step = rate * interval / 1000
  if tick > settled then
    tokens = min(tokens + (tick - settled) * step, limit)
    settled = tick
  end
  if blocked <= now then blocked = 0 end

  local answers, changed, turned_away = place + 4, false, false
  for question = 1, questions do
    local kind, value, more, answer = asked[at], asked[at + 1], asked[at + 2], 0
    at = at + 3
    if kind <= PROBE then
      -- Take, as many times as it pays for: in turn (nobody after one who was turned away), or each by itself.
      if blocked == 0 and not (turned_away and kind == TAKE) and tokens + SLACK >= value then
        answer = value > 0 and min(more, floor((tokens + SLACK) / value)) or more
        tokens = max(tokens - answer * value, 0)
        changed = changed or answer * value > 0
      end
      if kind == TAKE and answer < more then turned_away = true end
    elseif kind == LEASE then
      -- What there is, in whole tokens.
      if blocked == 0 then
        answer = max(min(value, tokens), 0)
        if value >= 1 then answer = floor(answer + SLACK) elseif answer < value then answer = 0 end
        tokens = tokens - answer
        changed = changed or answer > 0
      end
    elseif kind == RESERVE then
      -- For a time to come: into debt, unless the refills have paid for it too late.
      local wait = 0
      if tokens + SLACK < value then
        wait = step > 0 and max((settled + ceil((value - tokens - SLACK) / step)) * interval - now, 0) or math.huge
      end
      if blocked > 0 then wait = max(wait, blocked - now) end
      wait = ceil(wait)
      if value > max(limit, tokens) + SLACK then answer = -2
      elseif wait > more then answer = -1
      else
        answer, tokens, changed = wait, tokens - value, changed or value > 0
      end
    elseif kind ~= LOOK then
      changed = true
      if kind == DEBIT then tokens = tokens - value
      elseif kind == GIVE then tokens = max(tokens, min(tokens + value, limit))
      elseif kind == REMOVE then tokens = max(tokens - value, min(tokens, 0))
      elseif kind == FILL then tokens, blocked = limit, 0
      elseif kind == BLOCK then blocked = value > 0 and now + value or 0
      elseif kind == LIMIT then limit, tokens, own = value, value, true
      else rate, step, own = value, value * interval / 1000, true
      end
    end
    out[answers + question] = answer
  end
  out[place + 1], out[place + 2], out[place + 3], out[place + 4] = tokens, limit, rate, blocked
  place = answers + questions

  if changed then
    if own then
      state = pack('<ddddd', tokens, settled, blocked, limit, rate)
      call('SET', key, state)
    elseif blocked == 0 and tokens >= limit then
      state = ''
      call('DEL', key)
    else
      -- Forgotten when it is full, which is what a bucket is that nobody knows. No longer than thirty years.
      local full = (settled + ceil((limit - tokens) / step)) * interval - now
      local lasts = min(max(0, blocked - now, full) + 1, 1e12)
      state = pack('<ddd', tokens, settled, blocked)
      call('SET', key, state, 'PX', ceil(lasts))
    end
    known[key] = state
  end
end

if place == 6 then return pack('<dddddd', unpack(out)) end
local parts = {}
for from = 1, place, MOST do
  local to = min(from + MOST - 1, place)
  parts[#parts + 1] = pack('<' .. string.rep('d', to - from + 1), unpack(out, from, to))
end
return table.concat(parts)
