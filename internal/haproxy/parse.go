package haproxy

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strconv"
	"strings"
)

// Reasons for which a connection is rejected, in the order of the counters
// gpc0, gpc1, ... of [TableTenants].
func Reasons() []string {
	return []string{"denied", "cap", "rate", "source", "suspended", "silent", "protocol"}
}

// reasons is len(Reasons()).
const reasons = 7

// ParseMap reads the answer to `show map <file>`: "0x55d0 key value" per line.
func ParseMap(text string) ([]Entry, error) {
	var entries []Entry
	for line := range strings.Lines(text) {
		if strings.TrimSpace(line) == "" {
			continue
		}
		fields := strings.Fields(line)
		if len(fields) != 3 || !strings.HasPrefix(fields[0], "0x") {
			return nil, fmt.Errorf("show map: line %q is not of the form \"0x… key value\"", clip(line))
		}
		entries = append(entries, Entry{Key: fields[1], Value: fields[2]})
	}
	return entries, nil
}

// ParseACL reads the answer to `show acl <file>`: "0x55d0 pattern" per line.
func ParseACL(text string) ([]string, error) {
	var patterns []string
	for line := range strings.Lines(text) {
		if strings.TrimSpace(line) == "" {
			continue
		}
		fields := strings.Fields(line)
		if len(fields) != 2 || !strings.HasPrefix(fields[0], "0x") {
			return nil, fmt.Errorf("show acl: line %q is not of the form \"0x… pattern\"", clip(line))
		}
		patterns = append(patterns, fields[1])
	}
	return patterns, nil
}

// ParseRouteFile reads a route map from disk: "key value" per line.
func ParseRouteFile(text string) ([]Entry, error) {
	var entries []Entry
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) == 0 || strings.HasPrefix(fields[0], "#") {
			continue
		}
		if len(fields) != 2 {
			return nil, fmt.Errorf("route map: line %q is not of the form \"port value\"", clip(line))
		}
		entries = append(entries, Entry{Key: fields[0], Value: fields[1]})
	}
	return entries, nil
}

// Counters are what the edge counted for one port of one tenant.
type Counters struct {
	// Current sessions, and connections in the last 10 s.
	Current int64 `json:"current"`
	Rate    int64 `json:"rate"`
	// Total connections, rejected ones among them.
	Total int64 `json:"total"`
	// In and Out are bytes from agents and to agents.
	In  int64 `json:"bytesIn"`
	Out int64 `json:"bytesOut"`
	// Rejected by reason, in the order of [Reasons].
	Rejected [reasons]int64 `json:"rejected"`
}

// TenantRow is one row of [TableTenants].
type TenantRow struct {
	Slot int32
	Port string
	Counters
}

// add sums two rows of one port.
func (c Counters) add(more Counters) Counters {
	c.Current, c.Rate, c.Total = c.Current+more.Current, c.Rate+more.Rate, c.Total+more.Total
	c.In, c.Out = c.In+more.In, c.Out+more.Out
	for i := range c.Rejected {
		c.Rejected[i] += more.Rejected[i]
	}
	return c
}

// ParseTenants reads the answer to `show table st_tenant`. A port that got a
// gateway has a row of before, and both count.
func ParseTenants(text string) ([]TenantRow, error) {
	var rows []TenantRow
	place := map[string]int{}
	err := eachRow(text, func(key string, values map[string]int64) error {
		slot, port, err := parseKey(key)
		if err != nil {
			return err
		}
		row := TenantRow{Slot: slot, Port: port, Counters: Counters{
			Current: values["conn_cur"], Rate: values["conn_rate"], Total: values["conn_cnt"],
			In: values["bytes_in_cnt"], Out: values["bytes_out_cnt"],
		}}
		for i := range row.Rejected {
			row.Rejected[i] = values["gpc"+strconv.Itoa(i)]
		}
		name := strconv.Itoa(int(slot)) + "/" + port
		if i, there := place[name]; there {
			rows[i].Counters = rows[i].add(row.Counters)
			return nil
		}
		place[name] = len(rows)
		rows = append(rows, row)
		return nil
	})
	return rows, err
}

// ParseInUse reads, from the same answer, the keys of rows with connections.
func ParseInUse(text string) (keys []string, err error) {
	err = eachRow(text, func(key string, values map[string]int64) error {
		if _, _, err := parseKey(key); err != nil {
			return err
		}
		if values["conn_cur"] > 0 {
			keys = append(keys, key)
		}
		return nil
	})
	return keys, err
}

// AgentRow says that a session whose agent calls itself ID of a slot came, or
// came lately, from Source. The id is read in clear from the first frame and is a
// claim, not proof.
type AgentRow struct {
	// Row is the key of the port's row in [TableTenants].
	// It is also the name of the server the agent's sessions belong to.
	Row    string
	Slot   int32
	ID     string
	Source netip.AddrPort
	// Open is true while the session lasts.
	Open bool
}

// ParseAgents reads the answer to `show table st_agent`.
func ParseAgents(text string) ([]AgentRow, error) {
	return parseSources(text, func(id string) error {
		_, err := strconv.ParseUint(id, 10, 32)
		return err
	})
}

// ParseEnrollments reads the answer to `show table st_enroll`: who enrolls by
// way of a gateway, or did lately. The rows have no id.
func ParseEnrollments(text string) ([]AgentRow, error) {
	return parseSources(text, func(id string) error {
		if id != "" {
			return errors.New("there should be none")
		}
		return nil
	})
}

// parseSources reads rows whose key is "key/id/source/port".
func parseSources(text string, checkID func(string) error) ([]AgentRow, error) {
	var rows []AgentRow
	err := eachRow(text, func(key string, values map[string]int64) error {
		parts := strings.Split(key, "/")
		if len(parts) != 4 {
			return fmt.Errorf("key %q is not of the form \"key/id/source/port\"", clip(key))
		}
		slot, _, err := parseKey(parts[0])
		if err != nil {
			return err
		}
		if err := checkID(parts[1]); err != nil {
			return fmt.Errorf("agent of key %q: %w", clip(key), err)
		}
		source, err := netip.ParseAddr(parts[2])
		if err != nil {
			return fmt.Errorf("source of key %q: %w", clip(key), err)
		}
		port, err := strconv.ParseUint(parts[3], 10, 16)
		if err != nil {
			return fmt.Errorf("port of key %q: %w", clip(key), err)
		}
		rows = append(rows, AgentRow{Row: parts[0], Slot: slot, ID: parts[1], Source: netip.AddrPortFrom(source, uint16(port)), Open: values["conn_cur"] > 0})
		return nil
	})
	return rows, err
}

// Key is the row's name in [TableAgents].
func (r AgentRow) Key() string {
	return fmt.Sprintf("%s/%s/%s/%d", r.Row, r.ID, r.Source.Addr(), r.Source.Port())
}

// eachRow walks a stick table: "0x55d0: key=s0 use=1 exp=0 conn_cnt=4 …".
func eachRow(text string, row func(key string, values map[string]int64) error) error {
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		var key string
		values := map[string]int64{}
		for i, field := range strings.Fields(line) {
			name, value, ok := strings.Cut(field, "=")
			name, _, _ = strings.Cut(name, "(")
			switch {
			case i == 0 && strings.HasPrefix(field, "0x"):
			case !ok:
				return fmt.Errorf("show table: %q in line %q is not of the form \"name=value\"", clip(field), clip(line))
			case name == "key":
				key = value
			default:
				number, err := strconv.ParseInt(value, 10, 64)
				if err != nil {
					continue // 3.x adds values that are no numbers, such as shard names
				}
				values[name] = number
			}
		}
		if err := row(key, values); err != nil {
			return fmt.Errorf("show table: %w", err)
		}
	}
	return nil
}

// Stat is one row of `show stat`: a frontend, a backend or a server.
type Stat struct {
	Proxy, Service               string
	Queued, Current, Total, Peak int64
	In, Out                      int64
}

// ParseStat reads the answer to `show stat`: CSV whose first line, after "# ",
// names the columns.
func ParseStat(text string) ([]Stat, error) {
	reader := csv.NewReader(strings.NewReader(strings.TrimSpace(strings.TrimPrefix(text, "# "))))
	reader.FieldsPerRecord = -1
	header, err := reader.Read()
	if err != nil {
		return nil, fmt.Errorf("show stat: no header: %w", err)
	}
	column := map[string]int{}
	for i, name := range header {
		column[name] = i
	}
	for _, name := range []string{"pxname", "svname", "scur", "stot"} {
		if _, ok := column[name]; !ok {
			return nil, fmt.Errorf("show stat: column %q is missing", name)
		}
	}
	var stats []Stat
	for {
		record, err := reader.Read()
		if err == io.EOF {
			return stats, nil
		}
		if err != nil {
			return nil, fmt.Errorf("show stat: %w", err)
		}
		text := func(name string) string {
			if i, ok := column[name]; ok && i < len(record) {
				return record[i]
			}
			return ""
		}
		number := func(name string) int64 {
			value, _ := strconv.ParseInt(text(name), 10, 64) // an empty cell counts nothing
			return value
		}
		stats = append(stats, Stat{
			Proxy: text("pxname"), Service: text("svname"), Queued: number("qcur"), Current: number("scur"),
			Total: number("stot"), Peak: number("smax"), In: number("bin"), Out: number("bout"),
		})
	}
}

// ParseInfo reads the answer to `show info`: "Name: value" per line.
func ParseInfo(text string) map[string]string {
	info := map[string]string{}
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			info[name] = strings.TrimSpace(value)
		}
	}
	return info
}

// clip keeps errors readable, whatever the line was.
func clip(text string) string {
	const longest = 80
	text = strings.TrimSpace(text)
	if len(text) > longest {
		return text[:longest] + "…"
	}
	return text
}

// ParseWorkers reads the master's answer to `show proc`: the pids of workers, and of
// those of before a reload.
func ParseWorkers(text string) (current, old []string) {
	into := &[]string{} // the master, and programs
	for line := range strings.Lines(text) {
		switch {
		case strings.HasPrefix(line, "# workers"):
			into = &current
		case strings.HasPrefix(line, "# old workers"):
			into = &old
		case strings.HasPrefix(line, "#"):
			into = &[]string{}
		}
		fields := strings.Fields(line)
		if len(fields) < 2 || fields[1] != "worker" {
			continue
		}
		if _, err := strconv.ParseUint(fields[0], 10, 32); err == nil {
			*into = append(*into, fields[0])
		}
	}
	return current, old
}
