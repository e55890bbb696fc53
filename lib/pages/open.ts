import type { OpenPages, PageWriter } from '../app/pages.ts';
import type { PagePlace } from '../core/page-place.ts';

/** What makes and writes pages. All of it is loaded here, when there is a place for them. */
export const openPages: OpenPages = async (place, options) => {
  const [{ renderPage }, writer] = await Promise.all([import('../core/render/page.ts'), open(place, options)]);
  return { ...writer, render: (evaluation) => renderPage(evaluation) };
};

async function open({ at }: PagePlace, options: Parameters<OpenPages>[1]): Promise<PageWriter> {
  if ('folder' in at) {
    const { openFolder } = await import('./folder.ts');
    return openFolder(at.folder);
  }
  const { openBucket } = await import('./s3.ts');
  return openBucket(at, options);
}
