// What runs inside of Redis. Each operation is one script, so that its conditions, its write and its entry in the log are one step.
//
// {ns}:tail            id of the last log entry: '<revision>-<n>'
// {ns}:keys            sorted set, all scores 0: the keys, for lists by prefix
// {ns}:values          hash: key -> '<version> <session or nothing> <value>'
// {ns}:log             stream: one entry per write, chained: its first field `prev` is the id of the entry before
//                      then per change 'p<key>' -> as in `values`, or 'd<key>' -> ''
// {ns}:sessions        sorted set: session -> when it ends, in µs of the server's clock
// {ns}:session:<id>    set: the keys of a session
// {ns}:id              the store's id
//
// Gotcha: a revision is the server's time in µs, or one more than the last, whichever is larger. A server that lost its data, or a replica that took over
// without the last writes, thus goes on above everything that was ever given out (as long as no clock goes back): versions and tokens never return.
// It stays below 2^53 until the year 2255, which Lua's numbers need.

const PRELUDE = `
local ns, limit = KEYS[1], ARGV[1]
local TAIL, KEYSPACE, VALUES, LOG, SESSIONS = ns..':tail', ns..':keys', ns..':values', ns..':log', ns..':sessions'
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local tail = redis.call('GET', TAIL) or '0-0'
local revision = tonumber(string.match(tail, '^%d+'))

local function text(number) return string.format('%.0f', number) end
local function members(session) return ns..':session:'..session end

local function advance()
  revision = math.max(revision + 1, now)
  return text(revision)
end

-- Lua can't hand more than 8,000 values to one call.
local function commit(changes)
  local n = 0
  for at = 1, #changes, 2000 do
    local id = text(revision)..'-'..n
    redis.call('XADD', LOG, 'MAXLEN', '~', limit, id, 'prev', tail, unpack(changes, at, math.min(at + 1999, #changes)))
    tail, n = id, n + 1
  end
  redis.call('SET', TAIL, tail)
end

local function remove(key, changes)
  redis.call('HDEL', VALUES, key)
  redis.call('ZREM', KEYSPACE, key)
  changes[#changes + 1] = 'd'..key
  changes[#changes + 1] = ''
end

local function finish(session, changes)
  for _, key in ipairs(redis.call('SMEMBERS', members(session))) do remove(key, changes) end
  redis.call('DEL', members(session))
  redis.call('ZREM', SESSIONS, session)
end

-- First of all, in every script: nobody ever sees a key that outlived its session.
local over = redis.call('ZRANGEBYSCORE', SESSIONS, '-inf', text(now))
if #over > 0 then
  local changes = {}
  for _, session in ipairs(over) do finish(session, changes) end
  if #changes > 0 then
    advance()
    commit(changes)
  end
end

local function versionOf(packed) return packed and string.match(packed, '^%d+') end

local function disown(key, packed)
  local session = packed and string.match(packed, '^%d+ (%S*) ')
  if session and session ~= '' then redis.call('SREM', members(session), key) end
end

local function conflict(guardKey, guardVersion, session)
  if guardKey ~= '' and versionOf(redis.call('HGET', VALUES, guardKey)) ~= guardVersion then return 'guard' end
  if session ~= '' and not redis.call('ZSCORE', SESSIONS, session) then return 'session' end
end

-- expected: '*' any, '' none, or a version
local function differs(packed, expected)
  if expected == '*' then return false end
  return (versionOf(packed) or '') ~= expected
end
`

export type ScriptName = 'sweep' | 'identity' | 'read' | 'scan' | 'write' | 'writeAll' | 'erase' | 'keep' | 'finish' | 'resume'

export const scripts: Readonly<Record<ScriptName, string>> = {
  /** → tail. Also the sign of life, and what ends sessions that nobody asks about. */
  sweep: `${PRELUDE} return tail`,

  /** (id) → the store's id */
  identity: `${PRELUDE}
if redis.call('EXISTS', ns..':id') == 0 then redis.call('SET', ns..':id', ARGV[2]) end
return redis.call('GET', ns..':id')`,

  /** (key) → packed or nil */
  read: `${PRELUDE} return redis.call('HGET', VALUES, ARGV[2])`,

  /** (prefix) → revision, then key, packed, … A byte of 255 is in no UTF-8: it comes after everything that begins with the prefix. */
  scan: `${PRELUDE}
local keys = redis.call('ZRANGEBYLEX', KEYSPACE, '['..ARGV[2], '('..ARGV[2]..string.char(255))
local found = { text(revision) }
for at = 1, #keys, 1000 do
  local upto = math.min(at + 999, #keys)
  local values = redis.call('HMGET', VALUES, unpack(keys, at, upto))
  for offset = 0, upto - at do
    found[#found + 1] = keys[at + offset]
    found[#found + 1] = values[offset + 1]
  end
end
return found`,

  /** (key, value, expected, guard key, guard version, session) → 'ok', version | conflict */
  write: `${PRELUDE}
local key, session = ARGV[2], ARGV[7]
local refused = conflict(ARGV[5], ARGV[6], session)
if refused then return { refused } end
local former = redis.call('HGET', VALUES, key)
if differs(former, ARGV[4]) then return { 'version' } end
disown(key, former)
local version = advance()
local packed = version..' '..session..' '..ARGV[3]
redis.call('HSET', VALUES, key, packed)
redis.call('ZADD', KEYSPACE, 0, key)
if session ~= '' then redis.call('SADD', members(session), key) end
commit({ 'p'..key, packed })
return { 'ok', version }`,

  /** (guard key, guard version, session, key, value, …) → 'ok' | conflict. All of them have one version: it is told apart by key. */
  writeAll: `${PRELUDE}
local session = ARGV[4]
local refused = conflict(ARGV[2], ARGV[3], session)
if refused then return refused end
local version = advance()
local changes = {}
for first = 5, #ARGV, 2000 do
  local last = math.min(first + 1999, #ARGV)
  local keys, values, scores = {}, {}, {}
  for at = first, last, 2 do
    local key, packed = ARGV[at], version..' '..session..' '..ARGV[at + 1]
    keys[#keys + 1] = key
    values[#values + 1] = key
    values[#values + 1] = packed
    scores[#scores + 1] = 0
    scores[#scores + 1] = key
    changes[#changes + 1] = 'p'..key
    changes[#changes + 1] = packed
  end
  for at, packed in ipairs(redis.call('HMGET', VALUES, unpack(keys))) do disown(keys[at], packed) end
  redis.call('HSET', VALUES, unpack(values))
  redis.call('ZADD', KEYSPACE, unpack(scores))
  if session ~= '' then redis.call('SADD', members(session), unpack(keys)) end
end
commit(changes)
return 'ok'`,

  /** (key, expected, guard key, guard version) → 'ok', version | conflict */
  erase: `${PRELUDE}
local key = ARGV[2]
local refused = conflict(ARGV[4], ARGV[5], '')
if refused then return { refused } end
local former = redis.call('HGET', VALUES, key)
if differs(former, ARGV[3]) then return { 'version' } end
if not former then return { 'ok', text(revision) } end
disown(key, former)
local version = advance()
local changes = {}
remove(key, changes)
commit(changes)
return { 'ok', version }`,

  /** (session, ttl in µs, 'open' | 'renew') → 1, or 0: it has ended */
  keep: `${PRELUDE}
if ARGV[4] == 'renew' and not redis.call('ZSCORE', SESSIONS, ARGV[2]) then return 0 end
redis.call('ZADD', SESSIONS, text(now + ARGV[3]), ARGV[2])
return 1`,

  /** (session) */
  finish: `${PRELUDE}
local changes = {}
finish(ARGV[2], changes)
if #changes > 0 then
  advance()
  commit(changes)
end
return 1`,

  /** (id of a log entry) → tail, and 1 when nothing after that entry is missing from the log */
  resume: `${PRELUDE}
local known = tail == ARGV[2] or #redis.call('XRANGE', LOG, ARGV[2], ARGV[2]) > 0
return { tail, known and 1 or 0 }`,
}
