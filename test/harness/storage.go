package harness

// FileStorage returns overrides for [StartCollector] that keep the watermarks in files of a folder. They end the receiver's
// keys.
func FileStorage(folder string) string {
	return `    storage: file_storage
extensions: {file_storage: {directory: '` + folder + `', recreate: true}}
service: {extensions: [health_check, file_storage]}
`
}
