/**
 * Reads one source file: what it imports, and which names it uses that it does not declare.
 *
 * The compiler binds the file alone, without libraries and without following imports. So a name
 * that resolves to nothing is a global, whatever locals of the same name other functions have
 * (`crypto` is a parameter in half of this workspace).
 */
import ts from "typescript";

export interface Import {
  /** The module specifier, or undefined when it is computed. */
  readonly specifier: string | undefined;
  readonly line: number;
}

/** A use of a global name as a value. */
export interface GlobalUse {
  /** `setTimeout`, or with its member `Date.now`; `new Date()` without arguments is `Date()`. */
  readonly name: string;
  readonly line: number;
}

export interface SourceFacts {
  readonly imports: readonly Import[];
  readonly globals: readonly GlobalUse[];
  /** Lines of statements other than `export … from`. */
  readonly otherStatementLines: readonly number[];
}

/** Parses and binds `text`. Syntax errors are the compiler's business, not this check's. */
export function readSource(text: string): SourceFacts {
  const { file, checker } = bind(text);
  const imports: Import[] = [];
  const globals: GlobalUse[] = [];
  const lineOf = (node: ts.Node): number =>
    file.getLineAndCharacterOfPosition(node.getStart(file)).line + 1;
  // A work list, not recursion: generated files nest deeply.
  const pending: ts.Node[] = [file];
  for (let node = pending.pop(); node !== undefined; node = pending.pop()) {
    const found = importOf(node);
    if (found !== undefined) imports.push({ ...found, line: lineOf(node) });
    if (ts.isIdentifier(node) && isGlobalValue(node, checker)) {
      globals.push({ name: nameOfUse(node), line: lineOf(node) });
    }
    ts.forEachChild(node, (child) => {
      pending.push(child);
    });
  }
  const byLine = (left: { line: number }, right: { line: number }): number =>
    left.line - right.line;
  return {
    imports: imports.sort(byLine),
    globals: globals.sort(byLine),
    otherStatementLines: file.statements
      .filter((statement) => !isNamedReExport(statement))
      .map(lineOf),
  };
}

function bind(text: string): { readonly file: ts.SourceFile; readonly checker: ts.TypeChecker } {
  const name = "/file.ts";
  const file = ts.createSourceFile(name, text, ts.ScriptTarget.ESNext, true);
  const host: ts.CompilerHost = {
    getSourceFile: (path) => (path === name ? file : undefined),
    writeFile: () => undefined,
    getDefaultLibFileName: () => "lib.d.ts",
    useCaseSensitiveFileNames: () => true,
    getCanonicalFileName: (path) => path,
    getCurrentDirectory: () => "/",
    getNewLine: () => "\n",
    fileExists: (path) => path === name,
    readFile: () => undefined,
  };
  const options: ts.CompilerOptions = {
    noLib: true,
    noResolve: true,
    types: [],
    target: ts.ScriptTarget.ESNext,
    module: ts.ModuleKind.ESNext,
  };
  return { file, checker: ts.createProgram([name], options, host).getTypeChecker() };
}

function importOf(node: ts.Node): { readonly specifier: string | undefined } | undefined {
  const textOf = (literal: ts.Node | undefined): string | undefined =>
    literal !== undefined && ts.isStringLiteralLike(literal) ? literal.text : undefined;
  if (ts.isImportDeclaration(node)) return { specifier: textOf(node.moduleSpecifier) };
  if (ts.isExportDeclaration(node) && node.moduleSpecifier !== undefined) {
    return { specifier: textOf(node.moduleSpecifier) };
  }
  if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) {
    return { specifier: textOf(node.argument.literal) };
  }
  if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
    return { specifier: textOf(node.arguments[0]) };
  }
  return undefined;
}

/** True for an identifier that is evaluated and that nothing in the file declares. */
function isGlobalValue(node: ts.Identifier, checker: ts.TypeChecker): boolean {
  const { parent } = node;
  if (ts.isShorthandPropertyAssignment(parent)) {
    return checker.getShorthandAssignmentValueSymbol(parent) === undefined;
  }
  const isMemberName = ts.isPropertyAccessExpression(parent) && parent.name === node;
  const isLabel = ts.isLabeledStatement(parent) || ts.isBreakOrContinueStatement(parent);
  if (isMemberName || isLabel || ts.isPartOfTypeNode(node) || ts.isTypeQueryNode(parent)) {
    return false;
  }
  const symbol = checker.getSymbolAtLocation(node);
  // `globalThis` is the one global the checker knows without libraries.
  return symbol === undefined || node.text === "globalThis";
}

function nameOfUse(node: ts.Identifier): string {
  const { parent } = node;
  if (ts.isPropertyAccessExpression(parent) && parent.expression === node) {
    return `${node.text}.${parent.name.text}`;
  }
  const isConstruction = ts.isNewExpression(parent) && parent.expression === node;
  const isCall = ts.isCallExpression(parent) && parent.expression === node;
  if (isCall || (isConstruction && (parent.arguments?.length ?? 0) === 0)) return `${node.text}()`;
  return isConstruction ? `${node.text}(…)` : node.text;
}

function isNamedReExport(statement: ts.Statement): boolean {
  return (
    ts.isExportDeclaration(statement) &&
    statement.moduleSpecifier !== undefined &&
    statement.exportClause !== undefined &&
    ts.isNamedExports(statement.exportClause)
  );
}
