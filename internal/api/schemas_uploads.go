package api

import "github.com/understudy-dev/understudy"

// uploadSchema declares the body that begins an upload. Its MIME type is not
// used: what assistants can read is told by names, as for files uploaded whole.
func uploadSchema() *schema {
	names := make([]string, len(purposes))
	for i, p := range purposes {
		names[i] = string(p)
	}
	return object(
		need("filename", nonEmpty(0)),
		need("purpose", oneOf(names...)),
		need("bytes", integer(0, understudy.MaxUploadSize)),
		need("mime_type", nonEmpty(maxID)),
		may("expires_after", object(
			need("anchor", oneOf(understudy.AnchorCreatedAt)),
			need("seconds", integer(understudy.MinFileExpiry, understudy.MaxFileExpiry)))))
}

// completionSchema declares the body that completes an upload.
func completionSchema() *schema {
	return object(
		need("part_ids", list(understudy.MaxUploadParts, "strings", nonEmpty(maxID))),
		may("md5", text(0)))
}
