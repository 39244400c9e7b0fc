import { verifySshsig } from "./keys";

/** Namespace of an answer's signature. */
export const answerNamespace = "monoclaw-answer";

/**
 * What a host answered, if it was the host: its root alone can sign with the SSH host key. The session that carries an answer
 * belongs to the primary user, whose other processes may write into it.
 *
 * @param answer - `receiver.sh`'s answer: a header of fixed lines, an empty line, the text, and a signature over all of that
 * @param hostKey - the host's public SSH key: type and key
 * @param request - SHA-256 of what was asked, 64 hex digits
 * @returns the text; `undefined` if this is not the host's answer to this request, or not whole, or something stands beside it
 */
export function readAnswer(answer: string, hostKey: string, request: string): string | undefined {
  const [header = "", asked, length] =
    /^monoclaw-answer 1\nrequest ([0-9a-f]{64})\noutcome done\nlength (\d{1,7})\n\n/.exec(answer) ?? [];
  const bytes = Buffer.from(answer);
  const end = header.length + Number(length);
  if (header === "" || asked !== request || bytes.length <= end) {
    return undefined;
  }
  const signed = bytes.subarray(0, end);
  return verifySshsig(hostKey, answerNamespace, signed, bytes.subarray(end).toString())
    ? signed.subarray(header.length).toString()
    : undefined;
}
