package edge

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// lineFile is a file that HAProxy reads when it starts: one record of fixed
// width for each line, so that a change among thousands writes one record in its
// place. The first byte of a record makes it count: HAProxy skips blanks before
// a line, and lines that begin with '#'. A line is therefore there, or gone, with
// the writing of one byte: whoever reads the file at that moment, or after a power
// cut (no record lies across two sectors), finds whole lines.
type lineFile struct {
	dir, name string
	width     int            // a power of two, at most 512
	image     []byte         // what is in the file; nil when nobody knows
	at        map[string]int // record of each line
	free      []int          // records without a line
}

// grown is how many records a full file gets at once.
const grown = 64

func newLineFile(dir, name string, width int) *lineFile {
	return &lineFile{dir: dir, name: name, width: width}
}

// record is a line in its width; it counts only once its first byte is blank.
func (f *lineFile) record(first byte, line string) ([]byte, error) {
	if len(line) > f.width-2 || strings.ContainsAny(line, "\n\r#") {
		return nil, fmt.Errorf("write %s: %q does not fit into a line", f.name, line)
	}
	record := bytes.Repeat([]byte{' '}, f.width)
	record[0] = first
	copy(record[f.width-1-len(line):], line)
	record[f.width-1] = '\n'
	return record, nil
}

// replace makes the lines the content of the file; new ones in their order. It
// tells whether the file was other than it is now.
func (f *lineFile) replace(lines []string) (changed bool, err error) {
	if f.holds(lines) {
		return replaceFile(f.dir, f.name, f.image)
	}
	image, at := make([]byte, 0, len(lines)*f.width), make(map[string]int, len(lines))
	for _, line := range lines {
		if _, twice := at[line]; twice {
			continue
		}
		record, err := f.record(' ', line)
		if err != nil {
			return false, err
		}
		at[line] = len(image) / f.width
		image = append(image, record...)
	}
	f.image = nil
	if changed, err = replaceFile(f.dir, f.name, image); err != nil {
		return false, err
	}
	f.image, f.at, f.free = image, at, nil
	return changed, nil
}

func (f *lineFile) holds(lines []string) bool {
	if f.image == nil || len(lines) != len(f.at) {
		return false
	}
	for _, line := range lines {
		if _, there := f.at[line]; !there {
			return false
		}
	}
	return true
}

// change adds lines, and takes lines away once what was added is on the disk.
// When it fails, nobody knows what the file holds, and it is replaced.
func (f *lineFile) change(add, remove []string) error {
	add = without(add, func(line string) bool { _, there := f.at[line]; return there })
	remove = without(remove, func(line string) bool { _, there := f.at[line]; return !there })
	if len(add)+len(remove) == 0 {
		return nil
	}
	file, err := f.open()
	if err != nil {
		return fmt.Errorf("write %s: %w", f.name, err)
	}
	if len(add) > 0 {
		err = errors.Join(f.add(file, add), file.Sync())
	}
	if err == nil && len(remove) > 0 {
		err = errors.Join(f.remove(file, remove), file.Sync())
	}
	if err = errors.Join(err, file.Close()); err != nil {
		f.image = nil
		return fmt.Errorf("write %s: %w", f.name, err)
	}
	return nil
}

var errOther = errors.New("somebody else has written it")

// open finds the file as we left it, as far as its size tells; the comparison on
// the timer looks at every byte.
func (f *lineFile) open() (*os.File, error) {
	if f.image == nil {
		return nil, errOther
	}
	file, err := os.OpenFile(filepath.Join(f.dir, f.name), os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	if info, err := file.Stat(); err != nil || info.Size() != int64(len(f.image)) {
		return nil, errors.Join(err, errOther, file.Close())
	}
	return file, nil
}

func (f *lineFile) add(file *os.File, lines []string) error {
	if len(f.free) < len(lines) {
		empty, err := f.record('#', "")
		if err != nil {
			return err
		}
		more := grown * ((len(lines)-len(f.free))/grown + 1)
		for i := range more {
			f.free = append(f.free, len(f.image)/f.width+more-1-i) // the first is taken first
		}
		if err := f.put(file, len(f.image), bytes.Repeat(empty, more)); err != nil {
			return err
		}
	}
	for _, line := range lines {
		n := f.free[len(f.free)-1]
		record, err := f.record('#', line)
		if err != nil {
			return err
		}
		f.free = f.free[:len(f.free)-1]
		f.at[line] = n
		if err := f.put(file, n*f.width, record); err != nil {
			return err
		}
		if err := f.put(file, n*f.width, []byte{' '}); err != nil {
			return err
		}
	}
	return nil
}

func (f *lineFile) remove(file *os.File, lines []string) error {
	empty, err := f.record('#', "")
	if err != nil {
		return err
	}
	for _, line := range lines {
		n := f.at[line]
		delete(f.at, line)
		f.free = append(f.free, n)
		if err := f.put(file, n*f.width, []byte{'#'}); err != nil {
			return err
		}
		if err := f.put(file, n*f.width, empty); err != nil {
			return err
		}
	}
	return nil
}

// put writes into the file, and into what we know of it.
func (f *lineFile) put(file *os.File, at int, bytes []byte) error {
	if at == len(f.image) {
		f.image = append(f.image, bytes...)
	} else {
		copy(f.image[at:], bytes)
	}
	_, err := file.WriteAt(bytes, int64(at))
	return err
}

func without(lines []string, drop func(string) bool) []string {
	var left []string
	for _, line := range lines {
		if !drop(line) {
			left = append(left, line)
		}
	}
	return left
}

// replaceFile replaces a file so that a reader, or a power cut, finds the old or
// the new content and never a part. It tells whether the content was another before.
func replaceFile(dir, name string, content []byte) (changed bool, err error) {
	target := filepath.Join(dir, name)
	if old, err := os.ReadFile(target); err == nil && bytes.Equal(old, content) {
		return false, nil
	}
	file, err := os.CreateTemp(dir, "."+name+".*")
	if err != nil {
		return false, fmt.Errorf("write %s: %w", name, err)
	}
	defer os.Remove(file.Name()) // fails once the file has its name, which is meant
	_, err = file.Write(content)
	// HAProxy may read its files as another user; the routes are no secret.
	err = errors.Join(err, file.Chmod(0o644), file.Sync(), file.Close())
	if err != nil {
		return false, fmt.Errorf("write %s: %w", name, err)
	}
	if err := os.Rename(file.Name(), target); err != nil {
		return false, fmt.Errorf("write %s: %w", name, err)
	}
	return true, syncDir(dir)
}

// syncDir makes renames survive a power cut.
func syncDir(name string) error {
	dir, err := os.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
